"""Types of the operations room."""

import strawberry

from domain.operations import audit, notifications
from domain.operations.audit import ActorKind
from domain.operations.notifications import NotificationKind
from schema.accounts import ApiToken, User
from schema.base import Payload, described_enum, mapped
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


# -- notifications ---------------------------------------------------------------------------------------------------

described_enum(
    NotificationKind,
    WEBHOOK_DISABLED="An endpoint failed for so long that nothing is sent to it any more. Parameters: `url`.",
)


@strawberry.type(description="What a notification's sentence has a blank for.")
class NotificationParam:
    name: str = strawberry.field(description="The blank's name.")
    value: str = strawberry.field(description="What goes there.")


@mapped(notifications.Notification, created_at="When it was written.", read_at="When you read it; null before.")
class Notification:
    """Something that you should know, as a code with parameters: each client says it in its own language."""

    kind: NotificationKind = strawberry.field(description="What it says.")

    @strawberry.field(description="To mark it as read by.", metadata=needs("id"))
    def id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Notification", self.id))

    @strawberry.field(description="What its sentence has blanks for.", metadata=needs("params"))
    def params(self) -> list[NotificationParam]:
        return [NotificationParam(name=name, value=value) for name, value in sorted(self.params.items())]


@strawberry.input(description="Notifications that were read.")
class NotificationReadInput:
    ids: list[strawberry.ID] = strawberry.field(description="At most 100 at a time.")


@strawberry.type(description="What is left to read.")
class NotificationReadPayload(Payload):
    unread_count: int | None = strawberry.field(default=None, description="How many are unread now.")
