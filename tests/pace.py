"""How much slower than its reference this machine is just now.

Bounds on time are stated for the reference: a machine, or a moment, at which a fixed piece of Python takes
REFERENCE_S. Where it takes longer, everything does, and a bound that is held against the wall alone would judge the
machine and not the product.
"""

from __future__ import annotations

import statistics
import time

REFERENCE_S = 0.010
STEPS = 200_000
SLOWEST = 4.0
"""Beyond this a measured time says nothing of the product, and the bound should fail."""


def slowness(rounds: int = 9) -> float:
    """1.0 on the reference and on anything faster, up to SLOWEST; takes a tenth of a second."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        sum(number * number for number in range(STEPS))
        took.append(time.perf_counter() - began)
    return min(max(statistics.median(took) / REFERENCE_S, 1.0), SLOWEST)
