"""What a file that nobody has read is expected to come to."""

from __future__ import annotations

import pytest

from domain.files.entities import File, FilePurpose
from domain.ids import FileId, KnowledgeBaseId, SourceDocumentId, new_id
from domain.knowledge import starting
from domain.knowledge.entities import Document, KnowledgeBase
from domain.knowledge.parsing import CHARACTERS_MAX
from domain.knowledge.policies import ChunkPolicy
from tests.domain.memory import MemoryUnitOfWork
from tests.domain.world import actor_of


@pytest.mark.parametrize(
    ("mime", "size", "tokens"),
    [
        ("text/plain", 1_000_000, 500_000),
        ("text/markdown", 100 << 20, CHARACTERS_MAX * 3 // 2),
        ("application/pdf", 60_000_000, 6_000_000),
        ("text/html", 1_000, 100),
    ],
)
async def test_a_file_is_expected_to_have_no_more_text_than_its_kind_has(mime: str, size: int, tokens: int) -> None:
    uow = MemoryUnitOfWork()
    owner = actor_of(uow.tenant_id).user_id
    policy = ChunkPolicy(size=600, overlap=0).to_json()
    base = KnowledgeBase(uow.tenant_id, KnowledgeBaseId(new_id()), "Papers", owner, "m", 8, policy, {})
    file = File(uow.tenant_id, FileId(new_id()), "a", mime, size, b"x", FilePurpose.KNOWLEDGE, owner)
    await uow.files.announce(file.sha256, size)
    await uow.files.add(file)
    document = Document(
        uow.tenant_id, SourceDocumentId(new_id()), base.id, "A", mime, b"x", file_id=file.id
    )  # fmt: skip
    assert (await starting._expected(uow, document, base))[1] == tokens
