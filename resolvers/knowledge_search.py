"""The search over knowledge bases."""

from typing import Annotated

import strawberry

from domain.billing import QuotaExhausted
from domain.errors import ErrorCode, Rejected
from domain.generation.provider import ProviderError
from domain.ids import KnowledgeBaseId, SourceDocumentId
from domain.knowledge.search import SearchFilters, SearchQuery
from schema.context import Info
from schema.cost import Cost
from schema.ids import decode_id
from schema.knowledge import search as types


@strawberry.type
class KnowledgeSearchQueries:
    @strawberry.field(description="The passages of knowledge bases that answer a query.", directives=[Cost(weight=50)])
    async def knowledge_search(
        self, info: Info,
        input: Annotated[types.KnowledgeSearchInput, strawberry.argument(description="What to look for.")],
    ) -> types.KnowledgeSearchResult:  # fmt: skip
        info.context.reader()
        actor = info.context.actor
        try:
            found = await info.context.services.retriever.search(
                actor.tenant_id, actor.user_id, _query(input), principal=actor.principal
            )
        except ProviderError as error:
            code = ErrorCode.MODEL_UNAVAILABLE if error.retryable else ErrorCode.NO_CHANNEL
            raise Rejected(code, error.message) from error
        except QuotaExhausted as error:
            raise Rejected(error.code, error.message) from error
        return types.search_result(found)


def _query(input: types.KnowledgeSearchInput) -> SearchQuery:
    base_ids = tuple(
        KnowledgeBaseId(decode_id("KnowledgeBase", one, "knowledgeBaseIds")) for one in input.knowledge_base_ids
    )
    document_ids = tuple(
        SourceDocumentId(decode_id("Document", one, "documentIds")) for one in input.document_ids or ()
    )
    return SearchQuery(
        base_ids, input.query, input.mode, input.first, SearchFilters(document_ids), input.rerank, input.debug
    )
