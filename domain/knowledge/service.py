"""Use cases of knowledge bases."""

from __future__ import annotations

from dataclasses import dataclass, replace

from domain.accounts import Actor, Permission
from domain.channels.entities import Modality
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import KnowledgeBaseId, ProjectId, new_id
from domain.knowledge.embedding import BUILT_IN, DIMENSIONS, HASHED, NoEmbedder
from domain.knowledge.entities import KnowledgeBase, KnowledgeScope, sees
from domain.knowledge.policies import ChunkPolicy, ChunkPolicyDraft, RetrievalPolicy, RetrievalPolicyDraft
from domain.projects.service import get_project
from domain.text import NOTE_CHARS_MAX, clean_line, clean_text
from domain.unit_of_work import UnitOfWork

BASES_MAX = 500
"""Of a tenant, those that are somebody's alone not counted."""
OWN_BASES_MAX = 100
"""Of one user."""


@dataclass(frozen=True, slots=True)
class BaseDraft:
    """New values of a base; None leaves a field as it is. Its scope is chosen once; its model is changed by a job."""

    name: str | None = None
    description: str | None = None
    chunk_policy: ChunkPolicyDraft | ChunkPolicy | None = None
    retrieval_policy: RetrievalPolicyDraft | RetrievalPolicy | None = None
    scope: KnowledgeScope = KnowledgeScope.TENANT
    project_id: ProjectId | None = None
    embedding_model: str | None = None


async def create_base(uow: UnitOfWork, actor: Actor, draft: BaseDraft) -> KnowledgeBase:
    actor.require(Permission.WRITE)
    if (draft.scope is KnowledgeScope.PROJECT) != (draft.project_id is not None):
        message = "A base of a project names its project, and no other does."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "projectId")
    if draft.project_id is not None:
        await get_project(uow.projects, draft.project_id, field="projectId")
    model = clean_line(draft.embedding_model or BUILT_IN, "embeddingModel")
    base = KnowledgeBase(
        uow.tenant_id, KnowledgeBaseId(new_id()), "", actor.user_id, model, await dimensions_of(uow, model),
        ChunkPolicy().to_json(), RetrievalPolicy().to_json(), scope=draft.scope, project_id=draft.project_id,
    )  # fmt: skip
    _apply(base, replace(draft, name=draft.name or ""))
    own = draft.scope is KnowledgeScope.USER
    most = OWN_BASES_MAX if own else BASES_MAX
    if await uow.knowledge.count_bases(actor.user_id if own else None) >= most:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {most:,} knowledge bases.")
    await uow.knowledge.add(base)
    return base


async def dimensions_of(uow: UnitOfWork, model: str) -> int:
    """How long its vectors are. Raises Rejected for a model that nothing offers, or that nobody knows."""
    if model not in DIMENSIONS:
        message = f"Vectors of {model} are of an unknown length."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "embeddingModel")
    if model not in {BUILT_IN, HASHED}:
        offers = [channel.model_named(model) for channel in await uow.channels.offered()]
        if not any(offer is not None and Modality.EMBEDDING in offer.modalities for offer in offers):
            raise NoEmbedder(model)
    return DIMENSIONS[model]


def _apply(base: KnowledgeBase, draft: BaseDraft) -> None:
    if draft.name is not None:
        base.name = clean_line(draft.name, "name")
    if draft.description is not None:
        base.description = clean_text(draft.description, "description", chars_max=NOTE_CHARS_MAX)
    if draft.chunk_policy is not None:
        base.chunk_policy = ChunkPolicy.from_json(base.chunk_policy).but(draft.chunk_policy).checked().to_json()
    if draft.retrieval_policy is not None:
        policy = RetrievalPolicy.from_json(base.retrieval_policy).but(draft.retrieval_policy)
        base.retrieval_policy = policy.checked().to_json()


async def update_base(uow: UnitOfWork, actor: Actor, base_id: KnowledgeBaseId, draft: BaseDraft) -> KnowledgeBase:
    """Documents that are there stay cut as they are, until they are ingested again."""
    actor.require(Permission.WRITE)
    base = await get_base(uow, actor, base_id, lock=True)
    _apply(base, draft)
    base.updated_at = uow.now
    return base


async def get_base(
    uow: UnitOfWork, actor: Actor, base_id: KnowledgeBaseId, *, lock: bool = False, field: str = "id"
) -> KnowledgeBase:
    """A living base that the actor sees, of a project that lives if it is a project's. Raises NotFound."""
    base = await uow.knowledge.base(base_id, lock=lock)
    if base is None or not sees(actor, base.scope, base.owner_id):
        raise NotFound("The knowledge base", "input", field)
    if base.project_id is not None and await uow.projects.project(base.project_id) is None:
        raise NotFound("The knowledge base", "input", field)
    return base
