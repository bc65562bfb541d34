"""Who a client is: an API token that stays, or a person's session whose tokens are renewed (see `session`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Credentials(Protocol):
    async def token(self) -> str | None:
        """What to send now."""

    async def renew(self, refused: str | None) -> bool:
        """The API did not accept this token: whether `token` now gives another. Never raises for a refusal."""


@dataclass(frozen=True)
class ApiToken:
    value: str

    async def token(self) -> str | None:
        return self.value

    async def renew(self, refused: str | None) -> bool:
        return False


class Nobody:
    """For what needs no token: signing in."""

    async def token(self) -> str | None:
        return None

    async def renew(self, refused: str | None) -> bool:
        return False
