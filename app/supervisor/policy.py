"""When to start a dead child again, and when to give up."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Final

EARLY_S: Final = 10.0
EARLY_DEATHS_MAX: Final = 5
_DELAYS_S: Final = (0.1, 0.2, 0.5, 1.0)


@dataclass
class RestartPolicy:
    """Counts deaths within ten seconds of a start; a child that ran longer starts from zero again.

    A SIGKILL comes from outside (a person, a test, the kernel short of memory) and says nothing about the child,
    so it is not counted: however often it comes, the child is started again at once.
    """

    early_deaths: int = 0

    def delay_after_death_s(self, uptime_s: float, exit_code: int) -> float | None:
        """Seconds to wait before the next start, or None when five starts in a row failed."""
        if exit_code == -signal.SIGKILL:
            return _DELAYS_S[0]
        self.early_deaths = self.early_deaths + 1 if uptime_s < EARLY_S else 0
        if self.early_deaths >= EARLY_DEATHS_MAX:
            return None
        return _DELAYS_S[min(self.early_deaths, len(_DELAYS_S) - 1)]
