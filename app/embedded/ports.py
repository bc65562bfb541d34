"""A port that a server keeps over restarts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.embedded.errors import EmbeddedError
from app.embedded.process import pick_port, port_is_free, write_private

_TRIES: Final = 5


class RememberedPort:
    """Kept in a file. Once a server of this process ran on it, it does not change: clients hold URLs with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number: int | None = None

    @property
    def number(self) -> int:
        """The port. Raises EmbeddedError before the first start."""
        if self._number is None:
            raise EmbeddedError("the server was not started")
        return self._number

    def last(self) -> int | None:
        """The port of the last start, perhaps in another process."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(self._path.read_text(encoding="ascii"))
        return None

    def candidates(self) -> Iterator[int]:
        """Ports to try, in order. Raises EmbeddedError when all were taken."""
        if self._number is not None:
            yield self._number
            raise EmbeddedError(f"port {self._number} was taken by another program while the server was down")
        last_time = self.last()
        if last_time is not None and port_is_free(last_time):
            yield last_time
        for _try in range(_TRIES):
            yield pick_port()
        raise EmbeddedError(f"no port could be had in {_TRIES} tries")

    def remember(self, port: int) -> None:
        """The server runs there."""
        if port != self._number:
            write_private(self._path, str(port))
            self._number = port
