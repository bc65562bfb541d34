"""What can go wrong with an embedded server.

EmbeddedError        the text is for a person: what happened, and what helps
  Unsupported        this machine cannot run it; a server of your own can take its place
  AlreadyRunning     another process holds the directory
  ServerDied         it ended, or did not become ready; carries the log's last lines
"""

from __future__ import annotations


class EmbeddedError(Exception):
    """An embedded server cannot be used."""


class Unsupported(EmbeddedError):
    """No binary for this system, or no account to run it under."""


class AlreadyRunning(EmbeddedError):
    """Another process holds the directory's lock."""


class ServerDied(EmbeddedError):
    """The server ended by itself or never became ready."""

    def __init__(self, name: str, what: str, log: str) -> None:
        super().__init__(f"{name} {what}\n{log}" if log else f"{name} {what}")
        self.name = name
        self.log = log
