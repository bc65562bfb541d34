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


def become(arguments: list[str]) -> None:
    """Replace this process. Raises OSError when the program cannot be run."""
    parent, death_signal, uid, gid = (int(number) for number in arguments[:4])
    program = arguments[4:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError("the kernel refused PR_SET_PDEATHSIG")
    if os.getppid() != parent:
        raise OSError("the process that started it ended before the death signal was set")
    os.execv(program[0], program)


if __name__ == "__main__":
    try:
        become(sys.argv[1:])
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[5]}: {error}")
