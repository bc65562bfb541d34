"""Types of the integrations room: client applications, trusted documents, what of the schema is used."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain import integrations as domain
from domain.integrations import SHA256, DocumentMode, OperationEngine
from persistence.integrations import reads
from schema.base import Connection, Node, Payload, described_enum, mapped
from schema.batched import Call, needs, paged
from schema.context import Info

INT_MAX = 2**31 - 1
"""As far as GraphQL's Int counts: more uses read as this many."""

described_enum(
    DocumentMode,
    LOG="Anything may be sent as text, and is counted.",
    PREFER="Anything may be sent as text, and is marked in the log and in the usage report.",
    REQUIRE="Only registered documents may be sent.",
)

described_enum(
    OperationEngine,
    SQL_PLAN="One SQL statement, whose text is the answer. A text that is no trusted document is so answered from its "
    "third time on. Should the statement meet null where none may be, the executor answers after all.",
    COMPILED="The compiled executor.",
    STOCK="graphql-core's own executor.",
)


@mapped(
    domain.TrustedDocument,
    name="The operation's name; empty for a document without one, or with several.",
    text="The document.",
    cost="Its static cost.",
    registered_at="When it was first registered.",
    first_used_at="When it was first used.",
    last_used_at="When it was last used, to some seconds.",
    retired_at="When it was retired: it cannot be used any more.",
)
class TrustedDocument(Node):
    """A document that a client application may send by its hash alone."""

    scopes: list[str] = strawberry.field(description="What its operations ask for, among read, write, generate, admin.")

    @strawberry.field(
        description="`sha256:` and the SHA-256 of the text, in hexadecimal: what `documentId` takes.",
        metadata=needs("hash"),
    )
    def hash(self) -> str:
        return SHA256 + self.hash

    @strawberry.field(description="How often it was used.", metadata=needs("use_count"))
    def use_count(self) -> int:
        return min(self.use_count, INT_MAX)

    @strawberry.field(description="The application whose registry it is in.", metadata=needs("client_app_id"))
    async def client_app(self, info: Info) -> Annotated["ClientApp", strawberry.lazy("schema.integrations")] | None:
        return await info.context.reads.one("ClientApp", self.client_app_id)


@mapped(
    domain.ClientApp,
    name="What its makers call it.",
    cost_budget="What each of its tokens may spend at once, and one operation cost; null for the API's own limit.",
    created_at="When it was made.",
    updated_at="When it was last changed.",
)
class ClientApp(Node):
    """A program that calls the API with tokens of its own, and the documents that it may send."""

    mode: DocumentMode = strawberry.field(description="What it may send besides its trusted documents.")
    allowed_origins: list[str] = strawberry.field(description="Web pages that may use its tokens; empty for programs.")
    scopes: list[str] = strawberry.field(description="The most that its tokens may do.")

    @paged(
        Connection[TrustedDocument], "TrustedDocument", description="Its registry, by hash, retired documents included."
    )
    def documents() -> Call:
        return Call(reads.DOCUMENTS)


ClientAppId = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Only this application; all, and the tenant's own use, without."),
]
Since = Annotated[
    datetime | None, strawberry.argument(name="from", description="The first day, in UTC; 30 days ago by default.")
]
Until = Annotated[datetime | None, strawberry.argument(description="The last day, in UTC; today by default.")]
FieldName = Annotated[
    str | None, strawberry.argument(description="Only this field, such as `Project.genre`, and documents that name it.")
]


@strawberry.type(description="A field and how often operations named it.")
class FieldUsage:
    coordinate: str = strawberry.field(description="The field, such as `Project.genre`.")
    uses: int = strawberry.field(description="Operations that named it.")
    last_used_at: datetime = strawberry.field(description="When the last one did.")
    deprecation_reason: str | None = strawberry.field(
        description="What to use instead, where the field is deprecated; null otherwise."
    )


@strawberry.type(description="A trusted document and how often it was used.")
class DocumentUsage:
    hash: str = strawberry.field(description="Its `documentId`.")
    name: str = strawberry.field(description="The operation's name.")
    uses: int = strawberry.field(description="How often it was used.")
    last_used_at: datetime = strawberry.field(description="When it was last used.")
    client_app: ClientApp | None = strawberry.field(
        description="Who sent it; null for the product's own clients and for an application that was deleted."
    )


@strawberry.type(description="Operations of one name that were sent as text.")
class FreeTextUsage:
    name: str = strawberry.field(description="The operation's name; empty for one without.")
    uses: int = strawberry.field(description="How many were sent.")
    last_used_at: datetime = strawberry.field(description="When the last was sent.")
    client_app: ClientApp | None = strawberry.field(
        description="Who sent them; null for sessions and tokens of no application, and for one that was deleted."
    )


@strawberry.type(
    description="What of the schema is in use, the most used first: at most 1,000 of each. Counts are kept a day."
)
class SchemaUsage:
    fields: list[FieldUsage] = strawberry.field(description="Fields that operations named.")
    documents: list[DocumentUsage] = strawberry.field(description="Trusted documents that were used.")
    free_text: list[FreeTextUsage] = strawberry.field(description="Operations that were sent as text.")


@strawberry.input(description="A query to explain, as a request would send it: either `documentId` or `text`.")
class OperationExplainInput:
    document_id: str | None = strawberry.field(
        default=None, description="A trusted document of the product's own clients, or of the tenant's applications."
    )
    text: str | None = strawberry.field(default=None, description="The document itself.")
    operation_name: str | None = strawberry.field(
        default=None, description="Which of its operations, where it has several."
    )
    variables: strawberry.scalars.JSON | None = strawberry.field(
        default=None, description="The operation's variables, as an object."
    )
    analyze: bool = strawberry.field(
        default=False, description="Run the statement as well, and say what it took. It then costs what it may cost."
    )


@strawberry.type(description="How an operation is answered.")
class OperationExplanation:
    engine: OperationEngine = strawberry.field(description="What answers it.")
    reason: str | None = strawberry.field(description="Why it is not answered by SQL_PLAN; null where it is.")
    cost: int = strawberry.field(description="The most that it can cost.")
    sql: str | None = strawberry.field(description="The statement that PostgreSQL is sent; null without one.")
    plan: str | None = strawberry.field(
        description="PostgreSQL's plan for the statement, as EXPLAIN (FORMAT JSON) writes it; null without one. Its "
        "estimates are drawn from all tenants' rows, what `analyze` adds from the tenant's own."
    )


@strawberry.input(description="A new client application.")
class ClientAppCreateInput:
    name: str = strawberry.field(description="To recognise it by.")
    mode: DocumentMode = strawberry.field(
        default=DocumentMode.REQUIRE, description="What it may send besides its trusted documents."
    )
    allowed_origins: list[str] | None = strawberry.field(
        default=None, description="Web pages that may use its tokens, such as https://app.example; none for programs."
    )
    scopes: list[str] | None = strawberry.field(
        default=None, description="The most that its tokens may do; read, write and generate by default."
    )
    cost_budget: int | None = strawberry.field(
        default=None, description="What each of its tokens may spend at once; the API's own limit by default."
    )


@strawberry.input(description="What to change of a client application; what is left out stays.")
class ClientAppUpdateInput:
    id: strawberry.ID = strawberry.field(description="The application.")
    name: str | None = strawberry.field(default=None, description="To recognise it by.")
    mode: DocumentMode | None = strawberry.field(
        default=None, description="What it may send besides its trusted documents."
    )
    allowed_origins: list[str] | None = strawberry.field(default=None, description="Web pages that may use its tokens.")
    scopes: list[str] | None = strawberry.field(default=None, description="The most that its tokens may do.")
    cost_budget: int | None = strawberry.field(
        default=None, description="What each of its tokens may spend at once; 0 for the API's own limit."
    )


@strawberry.input(description="A client application to delete.")
class ClientAppDeleteInput:
    id: strawberry.ID = strawberry.field(description="The application.")


@strawberry.input(description="A document and its hash.")
class TrustedDocumentInput:
    hash: str = strawberry.field(description="`sha256:` and the SHA-256 of the text in UTF-8, in hexadecimal.")
    text: str = strawberry.field(description="The document, at most 50,000 characters.")


@strawberry.input(description="Documents for a client application's registry.")
class TrustedDocumentsRegisterInput:
    client_app_id: strawberry.ID = strawberry.field(description="The application.")
    documents: list[TrustedDocumentInput] = strawberry.field(description="At most 100 at a time.")


@strawberry.input(description="A trusted document to retire.")
class TrustedDocumentRetireInput:
    id: strawberry.ID = strawberry.field(description="The document.")


@strawberry.type(description="The new client application.")
class ClientAppCreatePayload(Payload):
    client_app: ClientApp | None = strawberry.field(default=None, description="The application.")


@strawberry.type(description="The changed client application.")
class ClientAppUpdatePayload(Payload):
    client_app: ClientApp | None = strawberry.field(default=None, description="The application.")


@strawberry.type(description="What was deleted.")
class ClientAppDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted application's id.")


@strawberry.type(description="A document that was not registered.")
class DocumentRejection:
    hash: str = strawberry.field(description="Its hash, as it was given.")
    reason: str = strawberry.field(description="Why.")


@strawberry.type(description="What became of the documents.")
class TrustedDocumentsRegisterPayload(Payload):
    registered: int = strawberry.field(default=0, description="How many of them are in the registry now.")
    rejected: list[DocumentRejection] = strawberry.field(
        default_factory=list, description="The others, and why they are not."
    )
    client_app: ClientApp | None = strawberry.field(default=None, description="The application.")


@strawberry.type(description="The retired document.")
class TrustedDocumentRetirePayload(Payload):
    trusted_document: TrustedDocument | None = strawberry.field(default=None, description="The document.")
