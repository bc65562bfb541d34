"""Who may send what: trusted documents by their hash, free text as the client's mode allows.

    LOG       anything; text that is sent is counted
    PREFER    the same, and a line in the log for each
    REQUIRE   registered documents only, by hash or by text: PERSISTED_DOCUMENT_NOT_FOUND for anything else

A token of a client application has that application's registry and mode. Everybody else has the platform's registry,
the product's own clients', in which the file that the process was started with comes first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphql import GraphQLError

from app.graphql.documents import Documents, Prepared
from app.graphql.errors import DocumentRefused, RequestRefused
from app.graphql.measure import Measures
from app.graphql.request import GraphQLRequest
from app.graphql.usage import UseCounter
from domain.accounts import Actor
from domain.errors import Unauthenticated
from domain.ids import ClientAppId
from domain.integrations import FIRST_PARTY, SHA256, ClientTerms, DocumentMode, document_hash
from persistence.database import OUTAGES, Database
from persistence.integrations import reads

logger = logging.getLogger("fabula.documents")

KNOWN_TTL_S = 30.0
"""How long a document is believed to be registered: so long may another process use one after it was retired."""
UNKNOWN_TTL_S = 5.0
KNOWN_MAX = 5_000

TermsOf = Callable[[Actor], Awaitable[ClientTerms | None]]


@dataclass(frozen=True, slots=True)
class Registered:
    """A live document of a registry. `valid`: it was measured against this very schema."""

    text: str
    valid: bool


class Registry:
    """Prepares the operations of every transport."""

    def __init__(
        self, documents: Documents, measures: Measures, database: Database, terms_of: TermsOf, uses: UseCounter,
        first_party: Mapping[str, str], first_party_mode: DocumentMode,
    ) -> None:  # fmt: skip
        self._documents = documents
        self._measures = measures
        self._database = database
        self._terms_of = terms_of
        self._uses = uses
        self._first_party = {hash_: Registered(text, valid=False) for hash_, text in first_party.items()}
        self._first_party_terms = ClientTerms(FIRST_PARTY, first_party_mode)
        self._epoch = 0
        self._known: dict[tuple[UUID | None, ClientAppId, str], tuple[float, Registered | None]] = {}

    def forget(self) -> None:
        """A registry has just changed: believe nothing from before."""
        self._epoch += 1
        self._known.clear()

    async def prepare(self, request: GraphQLRequest, actor: Actor | None) -> Prepared:
        """The operation to run. Raises DocumentRefused, or RequestRefused when it cannot be found out."""
        try:
            terms = await self._terms_of(actor) if actor is not None and actor.client is not None else None
            prepared = await self._find(request, actor, terms or self._first_party_terms)
        except Unauthenticated as error:
            raise RequestRefused("UNAUTHENTICATED", error.message, 401) from None
        except OUTAGES:
            message = "The registry of trusted documents does not answer. Try again."
            raise RequestRefused("INTERNAL_ERROR", message, 503, {"retry-after": "1"}) from None
        if actor is not None:
            self._uses.note(actor.tenant_id, terms.app_id if terms else FIRST_PARTY, prepared)
        return prepared

    async def examine(self, request: GraphQLRequest, actor: Actor) -> Prepared:
        """The operation for somebody who looks at it and does not send it: no use of it is counted.

        Documents of the tenant's applications are found as well as the product's own. Raises DocumentRefused.
        """
        hash_ = request.document_hash
        if hash_:
            tenant_id = actor.tenant_id
            rows = await self._database.rows(tenant_id, reads.registered_anywhere(tenant_id, hash_))
            if rows:
                return self._documents.prepare_trusted(request, hash_, rows[0].text, valid=self._fits(rows[0]))
        return await self._find(request, actor, self._first_party_terms)

    async def _find(self, request: GraphQLRequest, actor: Actor | None, terms: ClientTerms) -> Prepared:
        hash_ = request.document_hash
        if hash_ is None and terms.mode is DocumentMode.REQUIRE:
            hash_ = document_hash(request.query)
        if hash_ is not None:
            found = await self._registered(hash_, actor, terms)
            if found is not None:
                return self._documents.prepare_trusted(request, hash_, found.text, valid=found.valid)
            if not request.query or terms.mode is DocumentMode.REQUIRE:
                raise _not_found(request)
        prepared = self._documents.prepare(request)
        if terms.mode is DocumentMode.PREFER:
            name = prepared.operation.name.value if prepared.operation.name else "an operation"
            logger.info("client application %s sent %s as text", terms.app_id, name)
        return prepared

    async def _registered(self, hash_: str, actor: Actor | None, terms: ClientTerms) -> Registered | None:
        if terms.app_id == FIRST_PARTY:
            if (bundled := self._first_party.get(hash_)) is not None:
                return bundled
            tenant_id = None
        else:
            assert actor is not None
            tenant_id = actor.tenant_id
        key = tenant_id, terms.app_id, hash_
        known = self._known.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        epoch = self._epoch
        found = await self._look_up(actor, terms, hash_)
        if epoch == self._epoch:  # otherwise it was read before the registry changed, perhaps
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[key] = (time.monotonic() + (KNOWN_TTL_S if found else UNKNOWN_TTL_S), found)
        return found

    async def _look_up(self, actor: Actor | None, terms: ClientTerms, hash_: str) -> Registered | None:
        if actor is None or terms.app_id == FIRST_PARTY:
            rows = await self._database.platform_rows(reads.registered_first_party(hash_))
        else:
            tenant_id = actor.tenant_id
            rows = await self._database.rows(tenant_id, reads.registered(tenant_id, terms.app_id, hash_))
        if not rows:
            return None
        return Registered(rows[0].text, valid=self._fits(rows[0]))

    def _fits(self, row: Any) -> bool:
        return bool(row.fingerprint == self._measures.fingerprint)


def _not_found(request: GraphQLRequest) -> DocumentRefused:
    if request.persisted_query:
        message = "PersistedQueryNotFound"  # clients that speak so look for this very word before they send the text
    elif request.document_hash is None:
        message = "Only registered documents may be sent: this text is none."
    else:
        message = (
            f"There is no trusted document {SHA256 + request.document_hash if request.document_hash else 'of this id'}."
        )
    return DocumentRefused([GraphQLError(message, extensions={"code": "PERSISTED_DOCUMENT_NOT_FOUND"})])
