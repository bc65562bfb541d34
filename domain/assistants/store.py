"""The assistants room of a unit of work."""

from __future__ import annotations

from typing import Protocol

from domain.assistants.entities import (
    Assistant,
    AssistantInstall,
    AssistantVersion,
    Mark,
    Publication,
    ReportReason,
)
from domain.ids import AssistantId, AssistantVersionId, UserId


class AssistantStore(Protocol):
    """The tenant's own assistants, and the published ones of all.

    What people say of assistants belongs to users and not to tenants; the database lets a tenant write it for its own
    members only, and counts in the statement that writes it.
    """

    async def add(self, assistant: Assistant) -> None: ...
    async def add_version(self, version: AssistantVersion) -> None: ...
    async def assistant(self, assistant_id: AssistantId, *, lock: bool = False) -> Assistant | None:
        """One of the tenant's own; None when it is missing or deleted."""
        ...

    async def version(self, version_id: AssistantVersionId) -> AssistantVersion | None:
        """A version of the tenant's own."""
        ...

    async def count(self) -> int:
        """How many there are, with the lock that lets nobody else count until this transaction ends."""
        ...

    async def publish(self, publication: Publication, version: AssistantVersion) -> None:
        """Show a stripped copy to everybody, in place of the one before. Versions published before stay."""
        ...

    async def withdraw(self, assistant_id: AssistantId) -> None:
        """Show it to nobody else any more. Of one that was not published, nothing."""
        ...

    async def published(self, assistant_id: AssistantId) -> AssistantVersionId | None:
        """The version that everybody sees; None where nobody does."""
        ...

    async def removed(self, assistant_id: AssistantId) -> bool:
        """Whether the platform has taken it off the market."""
        ...

    async def published_version(self, version_id: AssistantVersionId) -> AssistantVersion | None:
        """The stripped copy of any version that was published, while its assistant is."""
        ...

    async def mark(self, user_id: UserId, assistant_id: AssistantId, mark: Mark) -> None: ...
    async def report(self, user_id: UserId, assistant_id: AssistantId, reason: ReportReason, words: str) -> None:
        """Once for each user; a second report takes the first one's place."""
        ...

    async def install(self, install: AssistantInstall) -> None:
        """Or pin what is installed to another version."""
        ...

    async def installed(self, user_id: UserId, assistant_id: AssistantId) -> AssistantVersionId | None:
        """The version that a user has pinned; None when it is not installed, or not public any more."""
        ...

    async def uninstall(self, user_id: UserId, assistant_id: AssistantId) -> bool:
        """False when it was not installed."""
        ...

    async def count_conversation(self, assistant_id: AssistantId) -> None: ...
