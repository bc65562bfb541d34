"""Root fields of the knowledge room."""

import logging
from collections.abc import AsyncIterator
from typing import Annotated

import strawberry

from domain.accounts import Permission
from domain.errors import NotFound
from domain.ids import ChunkId, FileId, KnowledgeBaseId, ProjectId, SourceDocumentId
from domain.jobs import JobKind, Waiting
from domain.knowledge import documents, reembedding, service
from domain.knowledge.policies import ChunkPolicyDraft, RetrievalPolicyDraft
from persistence.knowledge import reads
from resolvers.event_source.feed_rows import feed_events
from resolvers.generation import ring, tell_stopped
from resolvers.mutations import credit_refusals, refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from schema import knowledge as types
from schema.base import Connection
from schema.batched import After, Call, First, columns_of
from schema.context import Info
from schema.cost import Cost
from schema.ids import decode_id, decode_optional
from schema.tracing import trace_parent

logger = logging.getLogger(__name__)


def _base_id(value: strawberry.ID, field: str = "id") -> KnowledgeBaseId:
    return KnowledgeBaseId(decode_id("KnowledgeBase", value, field))


def _document_id(value: strawberry.ID) -> SourceDocumentId:
    return SourceDocumentId(decode_id("Document", value))


def _chunk_policy(input: types.ChunkPolicyInput | None) -> ChunkPolicyDraft | None:
    return ChunkPolicyDraft(input.unit, input.size, input.overlap) if input is not None else None


def _retrieval_policy(input: types.RetrievalPolicyInput | None) -> RetrievalPolicyDraft | None:
    if input is None:
        return None
    return RetrievalPolicyDraft(input.vector_weight, input.top_k, input.reranker, input.trigger)


async def _ring(info: Info, waiting: Waiting | None) -> None:
    if waiting is not None and waiting.ring:
        await ring(info.context.services, info.context.actor.tenant_id, waiting.job_id, JobKind.DOCUMENT_INGEST)


@strawberry.type
class KnowledgeQueries:
    @strawberry.field(description="The knowledge bases that you see, newest first.")
    async def knowledge_bases(
        self, info: Info, first: First = 20, after: After = None,
        filter: Annotated[types.KnowledgeBaseFilter | None, strawberry.argument(description="Which ones.")] = None,
    ) -> Connection[types.KnowledgeBase]:  # fmt: skip
        wanted = filter or types.KnowledgeBaseFilter()
        project_id = decode_optional("Project", wanted.project_id, "projectId")
        filters = {"viewer": info.context.actor.user_id, "scope": wanted.scope, "project_id": project_id}
        columns = columns_of(info, "KnowledgeBase", "edges", "node")
        return await info.context.reader().listed(Call(reads.BASES, filters), first, after, columns)  # type: ignore[attr-defined,no-any-return]


@strawberry.type
class KnowledgeMutations:
    @strawberry.mutation(description="Make a knowledge base.")
    @refusals_as(types.KnowledgeBaseCreatePayload)
    async def knowledge_base_create(
        self, info: Info, input: types.KnowledgeBaseCreateInput
    ) -> types.KnowledgeBaseCreatePayload:
        actor = info.context.actor
        project_id = decode_optional("Project", input.project_id, "projectId")
        draft = service.BaseDraft(
            input.name, input.description, _chunk_policy(input.chunk_policy), _retrieval_policy(input.retrieval_policy),
            input.scope, ProjectId(project_id) if project_id else None, input.embedding_model,
        )  # fmt: skip
        async with info.context.services.units(actor.tenant_id) as uow:
            base = await service.create_base(uow, actor, draft)
            await audited(info, uow, "knowledge_base.create", ("KnowledgeBase", base.id), {"scope": str(base.scope)})
        return types.KnowledgeBaseCreatePayload(knowledge_base=await fresh(info, "KnowledgeBase", base.id))

    @strawberry.mutation(description="Change a knowledge base.", directives=[Cost(weight=10)])
    @refusals_as(types.KnowledgeBaseUpdatePayload)
    async def knowledge_base_update(
        self, info: Info, input: types.KnowledgeBaseUpdateInput
    ) -> types.KnowledgeBaseUpdatePayload:
        actor, services, base_id = info.context.actor, info.context.services, _base_id(input.id)
        draft = service.BaseDraft(
            input.name, input.description, _chunk_policy(input.chunk_policy), _retrieval_policy(input.retrieval_policy)
        )
        waiting = None
        with credit_refusals():
            async with services.units(actor.tenant_id) as uow:
                await service.update_base(uow, actor, base_id, draft)
                if input.embedding_model is not None:
                    waiting = await reembedding.change_model(
                        uow, actor, base_id, input.embedding_model, concurrency_max=services.tenant_concurrency,
                        trace_parent=trace_parent(),
                    )  # fmt: skip
                await audited(info, uow, "knowledge_base.update", ("KnowledgeBase", base_id))
        await _ring(info, waiting)
        return types.KnowledgeBaseUpdatePayload(knowledge_base=await fresh(info, "KnowledgeBase", base_id))

    @strawberry.mutation(description="Delete a knowledge base with its documents. What is being ingested is stopped.")
    @refusals_as(types.KnowledgeBaseDeletePayload)
    async def knowledge_base_delete(
        self, info: Info, input: types.KnowledgeBaseDeleteInput
    ) -> types.KnowledgeBaseDeletePayload:
        actor, base_id = info.context.actor, _base_id(input.id)
        async with info.context.services.units(actor.tenant_id) as uow:
            stopped = await documents.delete_base(uow, actor, base_id)
            await audited(info, uow, "knowledge_base.delete", ("KnowledgeBase", base_id))
        for job_id, one in stopped:
            if job_id is not None:
                await tell_stopped(info.context, job_id, one)
        return types.KnowledgeBaseDeletePayload(deleted_id=input.id)


@strawberry.type
class DocumentMutations:
    @strawberry.mutation(description="Take a document in: it is read, cut and embedded.", directives=[Cost(weight=10)])
    @refusals_as(types.DocumentCreatePayload)
    async def document_create(self, info: Info, input: types.DocumentCreateInput) -> types.DocumentCreatePayload:
        actor, services = info.context.actor, info.context.services
        file_id = decode_optional("File", input.file_id, "fileId")
        command = documents.NewDocument(
            _base_id(input.knowledge_base_id, "knowledgeBaseId"), input.idempotency_key,
            FileId(file_id) if file_id else None, input.text, input.title, trace_parent(),
        )  # fmt: skip
        with credit_refusals():
            async with services.units(actor.tenant_id) as uow:
                asked = await documents.create_document(uow, actor, command, concurrency_max=services.tenant_ingestions)
        await _ring(info, asked.waiting)
        return types.DocumentCreatePayload(document=await fresh(info, "Document", asked.document_id))

    @strawberry.mutation(
        description="Read and cut a document anew, as its base says now.", directives=[Cost(weight=10)]
    )
    @refusals_as(types.DocumentReingestPayload)
    async def document_reingest(self, info: Info, input: types.DocumentReingestInput) -> types.DocumentReingestPayload:
        actor, services = info.context.actor, info.context.services
        document_id = _document_id(input.id)
        with credit_refusals():
            async with services.units(actor.tenant_id) as uow:
                asked = await documents.reingest_document(
                    uow, actor, document_id, input.idempotency_key, concurrency_max=services.tenant_ingestions
                )
        await _ring(info, asked.waiting)
        return types.DocumentReingestPayload(document=await fresh(info, "Document", document_id))

    @strawberry.mutation(description="Give a document another title.")
    @refusals_as(types.DocumentUpdatePayload)
    async def document_update(self, info: Info, input: types.DocumentUpdateInput) -> types.DocumentUpdatePayload:
        actor, document_id = info.context.actor, _document_id(input.id)
        async with info.context.services.units(actor.tenant_id) as uow:
            await documents.rename_document(uow, actor, document_id, input.title)
        return types.DocumentUpdatePayload(document=await fresh(info, "Document", document_id))

    @strawberry.mutation(description="Delete a document with its chunks. If it is being ingested, that is stopped.")
    @refusals_as(types.DocumentDeletePayload)
    async def document_delete(self, info: Info, input: types.DocumentDeleteInput) -> types.DocumentDeletePayload:
        actor, document_id = info.context.actor, _document_id(input.id)
        async with info.context.services.units(actor.tenant_id) as uow:
            document, stopped = await documents.delete_document(uow, actor, document_id)
            await audited(info, uow, "document.delete", ("Document", document_id))
        if document.job_id is not None:
            await tell_stopped(info.context, document.job_id, stopped)
        return types.DocumentDeletePayload(deleted_id=input.id)

    @strawberry.mutation(description="Change what a chunk says, or whether it is found.", directives=[Cost(weight=10)])
    @refusals_as(types.ChunkUpdatePayload)
    async def chunk_update(self, info: Info, input: types.ChunkUpdateInput) -> types.ChunkUpdatePayload:
        actor, services = info.context.actor, info.context.services
        chunk_id = ChunkId(decode_id("Chunk", input.id))
        with credit_refusals():
            async with services.units(actor.tenant_id) as uow:
                waiting = await documents.update_chunk(
                    uow,
                    actor,
                    chunk_id,
                    text=input.text,
                    enabled=input.enabled,
                    concurrency_max=services.tenant_ingestions,
                )
        await _ring(info, waiting)
        return types.ChunkUpdatePayload(chunk=await fresh(info, "Chunk", chunk_id))


@strawberry.type
class KnowledgeSubscriptions:
    @strawberry.subscription(description="How far the documents of a base are, from the first event that is kept.")
    async def document_progress(
        self, info: Info,
        knowledge_base_id: Annotated[strawberry.ID, strawberry.argument(description="The base.")],
        after: After = None,
    ) -> AsyncIterator[types.DocumentEvent]:  # fmt: skip
        context = info.context
        context.actor.require(Permission.READ)
        base_id = _base_id(knowledge_base_id, "knowledgeBaseId")

        async def may_watch() -> bool:
            return await context.reads.one("KnowledgeBase", base_id) is not None

        if not await may_watch():
            raise NotFound("The knowledge base", "knowledgeBaseId")
        async for event in feed_events(context, base_id, after, may_watch):
            yield types.document_event(event)
