"""The assistants room, in memory."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from domain.assistants.entities import (
    Assistant,
    AssistantInstall,
    AssistantVersion,
    Mark,
    Publication,
    ReportReason,
    Visibility,
)
from domain.ids import AssistantId, AssistantVersionId, UserId


class MemoryAssistants:
    """Implements `domain.assistants.store.AssistantStore`."""

    def __init__(self) -> None:
        self.assistants: dict[AssistantId, Assistant] = {}
        self.versions: dict[AssistantVersionId, AssistantVersion] = {}
        self.publications: dict[AssistantId, Publication] = {}
        self.off_the_market: set[AssistantId] = set()
        self.copies: dict[AssistantVersionId, AssistantVersion] = {}
        self.marks: dict[tuple[AssistantId, UserId], Mark] = {}
        self.reports: dict[tuple[AssistantId, UserId], tuple[ReportReason, str]] = {}
        self.installs: dict[tuple[UserId, AssistantId], AssistantVersionId] = {}
        self.conversations: dict[AssistantId, int] = defaultdict(int)

    async def add(self, assistant: Assistant) -> None:
        self.assistants[assistant.id] = assistant

    async def add_version(self, version: AssistantVersion) -> None:
        if any((one.assistant_id, one.number) == (version.assistant_id, version.number)
               for one in self.versions.values()):  # fmt: skip
            raise ValueError("assistant_versions_tenant_id_assistant_id_number_key")
        self.versions[version.id] = version

    async def assistant(self, assistant_id: AssistantId, *, lock: bool = False) -> Assistant | None:
        found = self.assistants.get(assistant_id)
        return found if found is not None and found.deleted_at is None else None

    async def version(self, version_id: AssistantVersionId) -> AssistantVersion | None:
        return self.versions.get(version_id)

    async def count(self) -> int:
        return sum(one.deleted_at is None for one in self.assistants.values())

    async def publish(self, publication: Publication, version: AssistantVersion) -> None:
        if self.assistants[publication.assistant_id].visibility != Visibility.PUBLIC:
            raise ValueError("not this tenant's to publish")
        self.publications[publication.assistant_id] = publication
        self.copies.setdefault(version.id, version)

    async def withdraw(self, assistant_id: AssistantId) -> None:
        self.publications.pop(assistant_id, None)

    async def published(self, assistant_id: AssistantId) -> AssistantVersionId | None:
        found = self.publications.get(assistant_id)
        return found.version_id if found is not None else None

    async def removed(self, assistant_id: AssistantId) -> bool:
        return assistant_id in self.off_the_market

    async def published_version(self, version_id: AssistantVersionId) -> AssistantVersion | None:
        found = self.copies.get(version_id)
        return found if found is not None and found.assistant_id in self.publications else None

    async def mark(self, user_id: UserId, assistant_id: AssistantId, mark: Mark) -> None:
        before = self.marks.get((assistant_id, user_id), Mark())
        changed = {name: value for name in Mark.__slots__ if (value := getattr(mark, name)) is not None}
        self.marks[assistant_id, user_id] = replace(before, **changed)

    async def report(self, user_id: UserId, assistant_id: AssistantId, reason: ReportReason, words: str) -> None:
        self.reports[assistant_id, user_id] = reason, words

    async def install(self, install: AssistantInstall) -> None:
        self.installs[install.user_id, install.assistant_id] = install.version_id

    async def installed(self, user_id: UserId, assistant_id: AssistantId) -> AssistantVersionId | None:
        return self.installs.get((user_id, assistant_id)) if assistant_id in self.publications else None

    async def uninstall(self, user_id: UserId, assistant_id: AssistantId) -> bool:
        return self.installs.pop((user_id, assistant_id), None) is not None

    async def count_conversation(self, assistant_id: AssistantId) -> None:
        self.conversations[assistant_id] += 1
