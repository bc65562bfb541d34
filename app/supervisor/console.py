"""What a person sees while `up` sets up and runs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TextIO


class Console:
    """Lines with the seconds since the start. A reader that went away is no reason to stop."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._start = time.monotonic()

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One line: what is done, and how long it took once it is done."""
        start = time.monotonic()
        self._write(f"{start - self._start:6.1f}s  {what} ... ")
        try:
            yield
        except BaseException:
            self._write("stopped\n")
            raise
        self._write(f"{time.monotonic() - start:.1f}s\n")

    def say(self, text: str) -> None:
        """A line with the time of day, for what happens later."""
        self._write(f"{time.strftime('%H:%M:%S')}  {text}\n")

    def block(self, text: str) -> None:
        """Several lines as they are."""
        self._write(f"\n{text}\n\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
