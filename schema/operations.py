"""Types of the operations room."""

import strawberry

from domain.operations import audit
from domain.operations.audit import ActorKind
from schema.accounts import ApiToken, User
from schema.base import described_enum, mapped
from schema.batched import needs, reference
from schema.ids import encode_id

described_enum(
    ActorKind,
    USER="A person, in a session.",
    TOKEN="A program, with an API token of a person.",
    PLATFORM="The platform itself.",
)


@mapped(
    audit.AuditEntry,
    action="What was done: a thing and a verb, such as `client_app.update`.",
    subject_type="The type of what it was done to.",
    details="Facts about the change, by name; never a secret.",
    request_id="The request that did it; empty for the platform.",
    at="When.",
)
class AuditEntry:
    """One entry of the audit log. It is never changed."""

    actor_kind: ActorKind = strawberry.field(description="Who did it.")

    @strawberry.field(description="To tell entries apart.", metadata=needs("id"))
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("AuditEntry", self.id))

    @strawberry.field(
        description="The global id of what it was done to, which may be gone.",
        metadata=needs("subject_type", "subject_id"),
    )
    def subject_id(self) -> strawberry.ID:
        return strawberry.ID(encode_id(self.subject_type, self.subject_id))

    user: User | None = reference(
        "User", "user_id", description="The person, or the token's owner; null for the platform and for who has left."
    )
    api_token: ApiToken | None = reference("ApiToken", "api_token_id", description="The token; null without one.")
