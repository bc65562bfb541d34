"""Waits for the supervisor's end, then kills what its children left behind.

    python -I -S warden.py < commands

Commands, one a line: `watch GROUP GRACE_S` and `forget GROUP`. The supervisor holds the only write end, so its end,
even by SIGKILL, is the end of our input. The kernel's parent-death signal reaches the supervisor's children alone;
this process reaches their children too, through the process groups, and whoever did not heed the signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

_PAUSE_S = 0.05


def watched(commands: Iterable[str]) -> dict[int, float]:
    """Follow the commands to their end; the groups still watched then, with their grace in seconds."""
    groups: dict[int, float] = {}
    for command in commands:
        verb, group, *rest = command.split()
        if verb == "watch":
            groups[int(group)] = float(rest[0])
        else:
            groups.pop(int(group), None)
    return groups


def exists(group: int) -> bool:
    """Whether the process group has a member."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def clear(groups: dict[int, float]) -> None:
    """Kill each group once its grace is over."""
    start = time.monotonic()
    while groups:
        for group, grace_s in list(groups.items()):
            if not exists(group):
                del groups[group]
            elif time.monotonic() - start >= grace_s:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)
                del groups[group]
        if groups:
            time.sleep(_PAUSE_S)


if __name__ == "__main__":
    clear(watched(sys.stdin))
