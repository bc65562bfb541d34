"""Becomes another program that ends when the process that started it ends.

    python -I -S launch.py PARENT_PID DEATH_SIGNAL UID GID PROGRAM [ARGUMENT ...]

A program of its own, and not a `preexec_fn`, because code between fork and exec may deadlock in a process with
threads. The death signal is set after the change of user, which would clear it. UID and GID of -1 mean "as I am".
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_EXIT_NOT_STARTED = 127


def main(arguments: list[str]) -> int:
    """Replaces this process; returns only when the program cannot be run."""
    parent, death_signal, uid, gid = (int(number) for number in arguments[:4])
    program = arguments[4:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        print("the kernel refused PR_SET_PDEATHSIG", file=sys.stderr)
        return _EXIT_NOT_STARTED
    if os.getppid() != parent:  # it ended before the signal was set
        return _EXIT_NOT_STARTED
    os.execv(program[0], program)


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except OSError as error:
        print(f"cannot start {sys.argv[5]}: {error}", file=sys.stderr)
        code = _EXIT_NOT_STARTED
    sys.exit(code)
