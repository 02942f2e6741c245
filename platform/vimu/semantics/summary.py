"""A run's summary, and its lines on the console."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vimu.semantics.rounds import Round, Written
from vimu.semantics.settings import SemanticsSettings


def summary_of(
    settings: SemanticsSettings, written: Sequence[Written], rounds: Sequence[Round], accounts: Mapping[str, Any] | None
) -> dict[str, Any]:
    """`summary.json`.

    Args:
        accounts: of the endpoint's calls; None where there is no endpoint.
    """
    return {
        "backend": settings.backend,
        "judged": settings.judge is not None,
        "windows": len(written),
        "accepted": sum(w.accepted for w in written),
        "by_rules": sum(w.backend == "rules" for w in written),
        "distinct_texts": len({w.text for w in written}),
        "rounds": [asdict(r) for r in rounds],
        "endpoint": accounts,
    }


def acceptance_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Acceptance a round with reasons, what `rules` stood in for, and what the endpoint cost."""
    for r in summary["rounds"]:
        reasons = "".join(f", {n:,} {gate}" for gate, n in r["flagged"].items())
        yield f"round {r['number']}: {r['accepted']:,} of {r['asked']:,} accepted{reasons}"
    if summary["backend"] != "rules":
        yield f"written by `rules` after the last round: {summary['by_rules']:,}"
    if (endpoint := summary["endpoint"]) is not None:
        yield (
            f"{endpoint['model']}: {endpoint['requests_sent']:,} requests sent; {endpoint['paid_answers']:,} answers "
            f"paid for and {endpoint['answers_of_other_runs']:,} of other runs, {endpoint['tokens_in']:,} + "
            f"{endpoint['tokens_out']:,} tokens, {endpoint['cost_usd']:.4f} USD"
        )
