"""Types of the operations room."""

from datetime import datetime

import strawberry

from domain.operations import audit, notifications, webhooks
from domain.operations.audit import ActorKind
from domain.operations.notifications import NotificationKind
from domain.operations.webhooks import DeliveryState, WebhookEvent
from persistence.operations import reads
from schema.accounts import ApiToken, User
from schema.base import Connection, Node, Payload, described_enum, mapped
from schema.batched import Call, needs, paged, reference
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

_INVOICE_PARAMS = "Parameters: `number`, `amount`, `currency`, `due`, `restricted`, `invoice`."

described_enum(
    NotificationKind,
    WEBHOOK_DISABLED="An endpoint failed for so long that nothing is sent to it any more. Parameters: `host`.",
    CHANNEL_DOWN="A channel fails, and is left out until it answers. Parameters: `channel`, `model`, `error`.",
    CHANNEL_BACK="A channel that failed answers again. Parameters: `channel`, `model`, `error`.",
    BUDGET_THRESHOLD="A budget's spending has come to a share of its limit. Parameters: `subject`, `name`, `period`, "
    "`since`, `percent`, `spent`, `limit`, `currency`.",
    WALLET_LOW="The wallet's credit has fallen below the threshold. Parameters: `credit`, `threshold`, `currency`.",
    SUBSCRIPTION_STARTED="A subscription has begun. Parameters: `plan`, and the day `until` which it is paid for.",
    SUBSCRIPTION_CHANGED="A subscription has changed, or will at its period's end. Parameters: `plan`, `until`.",
    SUBSCRIPTION_CANCELLED="A subscription was cancelled. Parameters: `plan`, `until`.",
    SUBSCRIPTION_ENDED="A subscription has ended. Parameters: `plan`, `until`.",
    SUBSCRIPTION_PAST_DUE="A subscription's fee could not be taken. Parameters: `plan`, `until`.",
    INVOICE_ISSUED=f"An invoice is to be paid. {_INVOICE_PARAMS}",
    INVOICE_DUE_SOON=f"An invoice is due in three days. {_INVOICE_PARAMS}",
    INVOICE_OVERDUE=f"An invoice should have been paid. {_INVOICE_PARAMS}",
    INVOICE_PAID=f"An invoice was paid. {_INVOICE_PARAMS}",
    PAYMENT_SUCCEEDED="A payment arrived. Parameters: `payment`, `amount`, `currency`.",
    PAYMENT_FAILED="A payment failed. Parameters: `payment`, `amount`, `currency`, `reason`.",
    PAYMENT_LOST="A payment went back without us. Parameters: `payment`, `amount`, `currency`, `reason`.",
    AUTOMATIC_TOP_UP_OFF="Automatic top-ups failed so often that they are off now. Parameters: as of PAYMENT_FAILED.",
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


# -- webhooks --------------------------------------------------------------------------------------------------------

described_enum(
    WebhookEvent,
    TEST="`webhook.test`: sent on request, to any endpoint.",
    AUDIT_RECORDED="`audit.recorded`: something was entered into the audit log.",
    CHANNEL_DOWN="`channel.down`: a channel fails, and is left out until it answers.",
    CHANNEL_BACK="`channel.back`: a channel that failed answers again.",
    BUDGET_THRESHOLD="`budget.threshold`: a budget's spending has come to a share of its limit.",
    WALLET_LOW="`wallet.low`: the wallet's credit has fallen below the threshold.",
    SUBSCRIPTION_STARTED="`subscription.started`: a subscription has begun.",
    SUBSCRIPTION_CHANGED="`subscription.changed`: it is on another plan, or will be, or its state has changed.",
    SUBSCRIPTION_CANCELLED="`subscription.cancelled`: it was cancelled, at once or for its period's end.",
    SUBSCRIPTION_ENDED="`subscription.ended`: it has ended.",
    INVOICE_ISSUED="`invoice.issued`: an invoice was issued.",
    INVOICE_PAID="`invoice.paid`: an invoice was paid.",
    INVOICE_OVERDUE="`invoice.overdue`: an invoice is past its due day and unpaid.",
    INVOICE_VOIDED="`invoice.voided`: nobody has to pay an invoice any more.",
)
described_enum(
    DeliveryState,
    QUEUED="Waits for its first or next try.",
    DELIVERED="The endpoint answered with a status of 200 to 299.",
    DEAD="Given up; `webhookRedeliver` sends the event again.",
)


@strawberry.type(description="One try to deliver.")
class WebhookAttempt:
    at: datetime = strawberry.field(description="When it ended.")
    status: int | None = strawberry.field(description="The HTTP status of the answer; null without one.")
    error: str | None = strawberry.field(description="Why there was no answer; null with one.")
    duration_ms: int = strawberry.field(description="How long it took, in milliseconds.")


@mapped(
    webhooks.WebhookDelivery,
    type="What kind of event it is, such as `audit.recorded`.",
    body="What is sent, byte for byte.",
    attempts="How often it was tried.",
    next_try_at="When a queued delivery is due.",
    created_at="When the event happened.",
    delivered_at="When it arrived.",
)
class WebhookDelivery(Node):
    """An event on its way to an endpoint, and every try so far."""

    state: DeliveryState = strawberry.field(description="How far it is.")

    @strawberry.field(
        description="The event's id, the same for every endpoint and at every try: what to tell duplicates by.",
        metadata=needs("event_id"),
    )
    def event_id(self) -> str:
        return str(self.event_id)

    @strawberry.field(description="The tries so far, the first one first.", metadata=needs("log"))
    def log(self) -> list[WebhookAttempt]:
        return [
            WebhookAttempt(
                at=datetime.fromisoformat(one["at"]), status=one["status"], error=one["error"],
                duration_ms=one["duration_ms"],
            )
            for one in self.log
        ]  # fmt: skip


@mapped(
    webhooks.WebhookEndpoint,
    url="Where events are sent.",
    enabled="Whether they are.",
    failing_since="Since when nothing has arrived; null while all is well.",
    disabled_at="When it was turned off because nothing had arrived for days; null when a person decided.",
    created_at="When it was made.",
    updated_at="When it was last changed.",
)
class WebhookEndpoint(Node):
    """An address of the tenant's own that is told of events."""

    @strawberry.field(description="What it is told of.", metadata=needs("events"))
    def events(self) -> list[WebhookEvent]:
        return [WebhookEvent(one) for one in self.events]

    @paged(Connection[WebhookDelivery], "WebhookDelivery", description="What was sent to it, newest first.")
    def deliveries() -> Call:
        return Call(reads.DELIVERIES)


@strawberry.input(description="An address to be told of events.")
class WebhookEndpointCreateInput:
    url: str = strawberry.field(description="Where to send them: https, and an address of the open internet.")
    events: list[WebhookEvent] = strawberry.field(description="What to be told of.")


@strawberry.input(description="What to change of an endpoint; what is left out stays.")
class WebhookEndpointUpdateInput:
    id: strawberry.ID = strawberry.field(description="The endpoint.")
    url: str | None = strawberry.field(default=None, description="Where to send events.")
    events: list[WebhookEvent] | None = strawberry.field(default=None, description="What to be told of.")
    enabled: bool | None = strawberry.field(
        default=None, description="Whether events are sent. Turned on again, it starts without failures."
    )


@strawberry.input(description="An endpoint to delete.")
class WebhookEndpointDeleteInput:
    id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(description="An endpoint that gets a new secret.")
class WebhookEndpointRotateSecretInput:
    id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(description="An endpoint to send a test event to.")
class WebhookEndpointTestInput:
    id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(description="A delivery whose event is to be sent again.")
class WebhookRedeliverInput:
    id: strawberry.ID = strawberry.field(description="The delivery.")


@strawberry.type(description="The new endpoint.")
class WebhookEndpointCreatePayload(Payload):
    webhook_endpoint: WebhookEndpoint | None = strawberry.field(default=None, description="The endpoint.")
    secret: str | None = strawberry.field(default=None, description="What its requests are signed with. Shown once.")


@strawberry.type(description="The changed endpoint.")
class WebhookEndpointUpdatePayload(Payload):
    webhook_endpoint: WebhookEndpoint | None = strawberry.field(default=None, description="The endpoint.")


@strawberry.type(description="What was deleted.")
class WebhookEndpointDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted endpoint's id.")


@strawberry.type(description="The endpoint's new secret. For 24 hours the one before it signs as well.")
class WebhookEndpointRotateSecretPayload(Payload):
    webhook_endpoint: WebhookEndpoint | None = strawberry.field(default=None, description="The endpoint.")
    secret: str | None = strawberry.field(default=None, description="The new secret. Shown once.")


@strawberry.type(description="The test event.")
class WebhookEndpointTestPayload(Payload):
    webhook_delivery: WebhookDelivery | None = strawberry.field(default=None, description="Its delivery.")


@strawberry.type(description="The event, on its way again.")
class WebhookRedeliverPayload(Payload):
    webhook_delivery: WebhookDelivery | None = strawberry.field(default=None, description="Its new delivery.")


# -- schedules -------------------------------------------------------------------------------------------------------


@strawberry.type(description="Something that runs by the clock.")
class Schedule:
    name: str = strawberry.field(description="What runs, such as `mails.forget`.")
    cron: str = strawberry.field(description="When: minute, hour, day of the month, month, day of the week, in UTC.")
    next_run_at: datetime = strawberry.field(description="When it is due.")
    last_run_at: datetime | None = strawberry.field(description="When it last ended; null before the first time.")
    last_error: str | None = strawberry.field(description="Why it last failed; null when it did not.")
    enabled: bool = strawberry.field(description="Whether it runs.")
