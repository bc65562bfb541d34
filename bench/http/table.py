"""Figures as people read them."""

from __future__ import annotations

from collections.abc import Iterator

REFERENCES = ("strawberry_stock", "bare", "postgraphile", "mercurius_jit")
WITHOUT_PEERS = ("fabula_stock_executor",)


def table(figures: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    yield "In the columns of a target: times its requests a second / times less CPU a request."
    for query, targets in figures.items():
        references = [name for name in REFERENCES if name in targets]
        references = references or [name for name in WITHOUT_PEERS if name in targets]
        width = max(16, *map(len, references)) + 2
        columns = "".join(f"{name:>{width}}" for name in references)
        yield f"\n{query:<22} {'rps':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8}{columns}"
        for target, row in targets.items():
            ratios = "".join(f"{ratio(row, targets[name]):>{width}}" for name in references)
            yield (
                f"{target:<22} {row['rps']:>8.1f} {row['p50_ms']:>8.2f} {row['p99_ms']:>8.2f} "
                f"{row['cpu_ms_per_request']:>8.3f}{ratios}"
            )


def ratio(row: dict[str, float], to: dict[str, float]) -> str:
    return f"{row['rps'] / to['rps']:.2f} / {to['cpu_ms_per_request'] / row['cpu_ms_per_request']:.2f}"
