"""How shards are dealt into Ray Data's tasks."""

from hypothesis import given
from hypothesis import strategies as st

from vimu.stages.shards import SHARDS_A_BLOCK, in_blocks


@given(st.integers(0, 3000), st.integers(0, 200))
def test_every_shard_is_in_one_block_and_blocks_shrink(n, n_workers):
    items = [{"shard": i} for i in range(n)]
    blocks = in_blocks(items, n_workers)
    assert [item for block in blocks for item in block] == items
    sizes = [len(block) for block in blocks]
    assert all(0 < size <= SHARDS_A_BLOCK[1] for size in sizes)
    assert sizes == sorted(sizes, reverse=True)


@given(st.integers(1, 3000), st.integers(1, 200))
def test_no_worker_is_left_without_and_none_ends_long_after_the_others(n, n_workers):
    sizes = [len(block) for block in in_blocks([{"shard": i} for i in range(n)], n_workers)]
    assert len(sizes) >= min(n, n_workers) or sizes[0] <= SHARDS_A_BLOCK[0]
    assert sizes[-1] <= SHARDS_A_BLOCK[0]


def test_few_shards_are_dealt_evenly():
    assert [len(block) for block in in_blocks([{}] * 3, 2)] == [2, 1]
    assert [len(block) for block in in_blocks([{}] * 2, 4)] == [1, 1]
    assert in_blocks([], 2) == []
