"""Signals as events: a wait that a child's end or a person's Ctrl-C cuts short."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final, Self

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Someone asked us to stop. Not an Exception: no handler of errors may swallow it."""


class StopSignals:
    """Catches SIGINT, SIGTERM and SIGHUP while entered.

    They are noticed by `wait`, and inside `interruptible` at once, wherever the program is.
    """

    def __init__(self) -> None:
        self._pending = 0
        self._raise = False
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # without a handler it would not wake us
        for number in _STOPPING:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *_exc: object) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in _STOPPING:
            signal.signal(number, signal.SIG_DFL)
        os.close(self._read)
        os.close(self._write)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._pending += 1
        if self._raise:
            self._heed()

    def _heed(self) -> None:
        if self._pending:
            self._pending = 0
            raise StopRequested

    def wait(self, timeout_s: float) -> None:
        """Pause until a signal or the timeout. Raises StopRequested."""
        self._heed()
        if select.select([self._read], [], [], timeout_s)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._read, 512)
        self._heed()

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within this block a signal raises StopRequested at once."""
        self._raise = True
        try:
            self._heed()
            yield
        finally:
            self._raise = False
