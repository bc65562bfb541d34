"""Integrations: client applications and the documents that they may send.

A trusted document is known by the SHA-256 of its text. It is measured once, when it is registered, so that a request
that names it is neither parsed nor validated again. Each application has a registry of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from domain.accounts import Actor, Permission
from domain.errors import ErrorCode, Forbidden, NotFound, Rejected
from domain.ids import ApiTokenId, ClientAppId, DocumentId, TenantId, new_id
from domain.text import clean_line

CLIENT_APPS_MAX = 100
ORIGINS_MAX = 20
DOCUMENTS_MAX = 2_000
REGISTRATIONS_MAX = 100
DOCUMENT_CHARS_MAX = 50_000
COST_BUDGET_MAX = 2**31 - 1

FIRST_PARTY = ClientAppId(UUID(int=0))
"""The product's own clients: every session of a person, and every token that was made for no other application."""

DEFAULT_SCOPES = (Permission.GENERATE, Permission.READ, Permission.WRITE)
SHA256 = "sha256:"


class DocumentMode(StrEnum):
    """What a client application may send besides its trusted documents."""

    LOG = "LOG"
    PREFER = "PREFER"
    REQUIRE = "REQUIRE"


class UseKind(StrEnum):
    """What a use is counted of: a trusted document, or an operation sent as text and each field that it names."""

    DOCUMENT = "DOCUMENT"
    FREE_TEXT = "FREE_TEXT"
    FIELD = "FIELD"


@dataclass(eq=False)
class ClientApp:
    """A program that calls the API with tokens of its own."""

    tenant_id: TenantId
    id: ClientAppId
    name: str
    mode: str
    allowed_origins: list[str]
    scopes: list[str]
    cost_budget: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClientTerms:
    """What a request of a client application is held to. `cost_budget` is the size of its tokens' cost buckets."""

    app_id: ClientAppId
    mode: DocumentMode
    origins: tuple[str, ...] = ()
    cost_budget: int | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """A document as somebody wants it registered: `hash` as given, with or without its prefix."""

    hash: str
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a document once it was parsed and validated. `fields` are coordinates such as Project.title."""

    hash: str
    text: str
    name: str
    cost: int
    scopes: tuple[str, ...]
    fields: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A document that was not registered. `hash` as it was given."""

    hash: str
    reason: str


class OperationEngine(StrEnum):
    """What answers an operation."""

    SQL_PLAN = "SQL_PLAN"
    COMPILED = "COMPILED"
    STOCK = "STOCK"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """An operation about which somebody wants to know how it is answered. `analyze`: by running it."""

    document_id: str | None
    text: str | None
    operation_name: str | None = None
    variables: Any = None
    analyze: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """How an operation is answered: by the statement `sql` and PostgreSQL's `plan`, as JSON; or why by neither."""

    engine: OperationEngine
    cost: int
    reason: str | None = None
    sql: str | None = None
    plan: str | None = None


class Unfit(Exception):
    """A document that the schema or a limit refuses; the text says why."""


Measure = Callable[[str], Measured]
"""From a document's text to what it is. Raises Unfit. Slow (milliseconds): call it off the event loop."""


@dataclass(eq=False)
class TrustedDocument:
    tenant_id: TenantId
    id: DocumentId
    client_app_id: ClientAppId
    hash: str
    name: str
    text: str
    cost: int
    scopes: list[str]
    fields: list[str] = field(repr=False)
    fingerprint: str = field(repr=False)
    use_count: int = 0
    registered_at: datetime | None = None
    first_used_at: datetime | None = None
    last_used_at: datetime | None = None
    retired_at: datetime | None = None


class IntegrationStore(Protocol):
    """The integrations room of a unit of work. Locks are taken on the application, then on its documents."""

    async def add_client_app(self, app: ClientApp) -> None: ...
    async def client_app(self, app_id: ClientAppId) -> ClientApp | None:
        """The locked row; None when it is missing or deleted."""
        ...

    async def count_client_apps(self) -> int: ...
    async def revoke_tokens_of(self, app_id: ClientAppId, now: datetime) -> list[ApiTokenId]: ...
    async def live_hashes(self, app_id: ClientAppId) -> set[str]: ...
    async def put_documents(self, app_id: ClientAppId, documents: Sequence[Measured]) -> None:
        """Add them, or renew and bring back those that are there."""
        ...

    async def document(self, document_id: DocumentId) -> TrustedDocument | None: ...


# -- documents -------------------------------------------------------------------------------------------------------


def document_hash(text: str) -> str:
    """The SHA-256 of the text in UTF-8, as 64 hexadecimal digits. Lone surrogates hash as what no text has."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)


def read_hash(value: str) -> str | None:
    """The 64 digits of `sha256:<hex>` or of bare digits, in lower case; None for anything else."""
    found = _HASH.fullmatch(value)
    return found[1].lower() if found else None


def measured_all(documents: Iterable[Submitted], measure: Measure) -> tuple[list[Measured], list[Rejection]]:
    """Check every hash against its text, and measure what holds. Each hash counts once."""
    good: dict[str, Measured] = {}
    bad: list[Rejection] = []
    for one in documents:
        try:
            measured = _measured(one, measure)
        except Unfit as error:
            bad.append(Rejection(one.hash, str(error)))
        else:
            good[measured.hash] = measured
    return list(good.values()), bad


def _measured(document: Submitted, measure: Measure) -> Measured:
    hash_ = read_hash(document.hash)
    if hash_ is None:
        raise Unfit("The hash must be `sha256:` and 64 hexadecimal digits.")
    if len(document.text) > DOCUMENT_CHARS_MAX:
        raise Unfit(f"A document has at most {DOCUMENT_CHARS_MAX:,} characters.")
    if "\0" in document.text or document_hash(document.text) != hash_:
        raise Unfit("The hash is not the SHA-256 of the text.")
    return replace(measure(document.text), hash=hash_)


# -- client applications ---------------------------------------------------------------------------------------------


def require_manager(actor: Actor) -> None:
    """Administrators, but not through an application's token: it would loosen the terms that it is held to."""
    actor.require(Permission.ADMIN)
    if actor.client is not None:
        raise Forbidden("A client application's token manages no applications, documents or tokens.")


def require_operator(actor: Actor) -> None:
    """Platform administrators who may read: SQL text and estimates tell of all tenants' rows together."""
    actor.require(Permission.PLATFORM)
    actor.require(Permission.READ)
    if actor.client is not None:
        raise Forbidden("A client application's token explains no operations.")


def check_inquiry(inquiry: Inquiry) -> None:
    """Raises Rejected unless it names one operation and its variables are an object."""
    if (inquiry.document_id is None) is (inquiry.text is None):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "Give one of `documentId` and `text`.", "input")
    if not isinstance(inquiry.variables, dict | None):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "`variables` must be an object.", "input", "variables")


@dataclass(frozen=True, slots=True)
class ClientAppDraft:
    """What a person decides about an application. None leaves a part as it is, or at its default."""

    name: str | None = None
    mode: DocumentMode | None = None
    allowed_origins: list[str] | None = None
    scopes: list[str] | None = None
    cost_budget: int | None = None


async def create_client_app(store: IntegrationStore, actor: Actor, draft: ClientAppDraft) -> ClientApp:
    """Raises Rejected for a bad draft or too many applications. Scopes are what the maker has of DEFAULT_SCOPES."""
    require_manager(actor)
    if await store.count_client_apps() >= CLIENT_APPS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"A tenant has at most {CLIENT_APPS_MAX} client applications.")
    app = ClientApp(
        actor.tenant_id, ClientAppId(new_id()), clean_line(draft.name or "", "name"), DocumentMode.REQUIRE, [],
        sorted(one.value for one in DEFAULT_SCOPES if one in actor.permissions),
    )  # fmt: skip
    _apply(app, actor, draft)
    await store.add_client_app(app)
    return app


async def update_client_app(
    store: IntegrationStore, actor: Actor, app_id: ClientAppId, draft: ClientAppDraft, now: datetime
) -> ClientApp:
    """Change what the draft names. A cost budget of 0 takes the budget away."""
    require_manager(actor)
    app = await get_client_app(store, app_id)
    if draft.name is not None:
        app.name = clean_line(draft.name, "name")
    _apply(app, actor, draft)
    app.updated_at = now
    return app


async def delete_client_app(store: IntegrationStore, actor: Actor, app_id: ClientAppId, now: datetime) -> None:
    """Its tokens are revoked with it."""
    require_manager(actor)
    app = await get_client_app(store, app_id)
    app.deleted_at = now
    await store.revoke_tokens_of(app_id, now)


async def get_client_app(store: IntegrationStore, app_id: ClientAppId, field_name: str = "id") -> ClientApp:
    app = await store.client_app(app_id)
    if app is None:
        raise NotFound("The client application", "input", field_name)
    return app


def _apply(app: ClientApp, actor: Actor, draft: ClientAppDraft) -> None:
    if draft.mode is not None:
        app.mode = draft.mode
    if draft.allowed_origins is not None:
        app.allowed_origins = clean_origins(draft.allowed_origins)
    if draft.scopes is not None:
        allowed = {one.value for one in actor.permissions}
        if not draft.scopes or not set(draft.scopes) <= allowed:
            message = f"Choose scopes among: {', '.join(sorted(allowed))}."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "scopes")
        app.scopes = sorted(set(draft.scopes))
    if draft.cost_budget is not None:
        if not 0 <= draft.cost_budget <= COST_BUDGET_MAX:
            raise Rejected(ErrorCode.BAD_USER_INPUT, "A cost budget is 0 or more.", "input", "costBudget")
        app.cost_budget = draft.cost_budget or None


def clean_origins(values: Sequence[str]) -> list[str]:
    """Web origins as browsers write them: `https://app.example` or `http://localhost:3000`, each once."""
    if len(values) > ORIGINS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {ORIGINS_MAX} origins.", "input", "allowedOrigins")
    origins = [clean_line(one, "allowedOrigins").lower() for one in values]
    for origin in origins:
        if not _is_origin(origin):
            message = "An origin looks like https://app.example or http://localhost:3000."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "allowedOrigins")
    return sorted(set(origins))


_ORIGIN = re.compile(r"https?://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?::([0-9]{1,5}))?")


def _is_origin(value: str) -> bool:
    found = _ORIGIN.fullmatch(value)
    return found is not None and int(found[1] or 0) < 2**16


# -- the registry ----------------------------------------------------------------------------------------------------


def check_registration(actor: Actor, documents: Sequence[Submitted]) -> None:
    """Before anything is measured: who may, and how many at once."""
    require_manager(actor)
    if not 1 <= len(documents) <= REGISTRATIONS_MAX:
        message = f"Register between 1 and {REGISTRATIONS_MAX} documents at a time."
        raise Rejected(ErrorCode.LIMIT_REACHED, message, "input", "documents")


async def register_documents(
    store: IntegrationStore, actor: Actor, app_id: ClientAppId, documents: Sequence[Measured]
) -> None:
    """`enter_documents` for a member of the tenant."""
    require_manager(actor)
    await enter_documents(store, app_id, documents)


async def enter_documents(store: IntegrationStore, app_id: ClientAppId, documents: Sequence[Measured]) -> None:
    """Put measured documents into an application's registry.

    One that is there already stays; one that was retired comes back. Raises Rejected when there would be too many:
    nothing is registered then.
    """
    await get_client_app(store, app_id, "clientAppId")
    known = await store.live_hashes(app_id)
    if len(known | {one.hash for one in documents}) > DOCUMENTS_MAX:
        message = f"An application has at most {DOCUMENTS_MAX:,} documents. Retire some first."
        raise Rejected(ErrorCode.LIMIT_REACHED, message, "input", "documents")
    await store.put_documents(app_id, documents)


async def retire_document(
    store: IntegrationStore, actor: Actor, document_id: DocumentId, now: datetime
) -> TrustedDocument:
    """Idempotent: a document retired before keeps its first time."""
    require_manager(actor)
    document = await store.document(document_id)
    if document is None:
        raise NotFound("The trusted document", "input", "id")
    document.retired_at = document.retired_at or now
    return document
