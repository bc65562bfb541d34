"""What the fault tests measure, kept for the table at the end of the run."""

from __future__ import annotations

from collections.abc import Sequence

MEASURED: list[tuple[str, str]] = []


def measured(what: str, value: object) -> None:
    MEASURED.append((what, str(value)))


def measured_seconds(what: str, values: Sequence[float]) -> None:
    ordered = sorted(values)
    p50, p95, longest = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.95, 1.0))
    measured(what, f"p50 {p50:.3f} s, p95 {p95:.3f} s, max {longest:.3f} s of {len(ordered)}")
