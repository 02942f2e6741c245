"""A run's summary in lines, for the console."""

from collections.abc import Iterator, Mapping
from typing import Any


def acceptance_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Acceptance a round with reasons, what `rules` stood in for, and what the endpoint cost."""
    for r in summary["rounds"]:
        reasons = "".join(f", {n:,} {gate}" for gate, n in r["flagged"].items())
        yield f"round {r['number']}: {r['accepted']:,} of {r['asked']:,} accepted{reasons}"
    if summary["backend"] != "rules":
        yield f"written by `rules` after the last round: {summary['by_rules']:,}"
    if (endpoint := summary["endpoint"]) is not None:
        yield (
            f"{endpoint['model']}: {endpoint['paid_answers']:,} answers paid for and "
            f"{endpoint['answers_of_other_runs']:,} of other runs, {endpoint['tokens_in']:,} + "
            f"{endpoint['tokens_out']:,} tokens, {endpoint['cost_usd']:.4f} USD"
        )
