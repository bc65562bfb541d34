"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

FIGURES = ("rps", "p50_ms", "p99_ms", "cpu_ms_per_request")
REFERENCES = ("strawberry_stock", "bare", "postgraphile", "mercurius_jit")
WITHOUT_PEERS = ("fabula_stock_executor",)


Rounds = list[dict[str, float]]
"""The figures of a target, round by round."""


def table(figures: dict[str, dict[str, Rounds]]) -> Iterator[str]:
    yield "In the columns of a target: times its requests a second / times less CPU a request."
    for query, targets in figures.items():
        references = [name for name in REFERENCES if name in targets]
        references = references or [name for name in WITHOUT_PEERS if name in targets]
        width = max(16, *map(len, references)) + 2
        columns = "".join(f"{name:>{width}}" for name in references)
        yield f"\n{query:<22} {'rps':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8}{columns}"
        for target, rounds in targets.items():
            ratios = "".join(f"{ratio(rounds, targets[name]):>{width}}" for name in references)
            rps, p50, p99, cpu = (median(one[name] for one in rounds) for name in FIGURES)
            yield f"{target:<22} {rps:>8.1f} {p50:>8.2f} {p99:>8.2f} {cpu:>8.3f}{ratios}"


def ratio(rounds: Rounds, to: Rounds) -> str:
    """The median of what each round says, whose runs are minutes apart at most: a machine's speed drifts."""
    faster = median(own["rps"] / other["rps"] for own, other in zip(rounds, to, strict=True))
    lighter = median(
        other["cpu_ms_per_request"] / own["cpu_ms_per_request"] for own, other in zip(rounds, to, strict=True)
    )
    return f"{faster:.2f} / {lighter:.2f}"
