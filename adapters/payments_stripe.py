"""Stripe, through its own library. A card is charged by a PaymentIntent; a person without one pays at a Checkout page.

Answers are read as plain data, and errors by their class and code: neither the library's messages nor what it was
sent are shown to anybody, because a key may stand in them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.billing.money import CURRENCY
from domain.ids import PaymentId, RefundId, TenantId
from domain.payments.entities import PAGE_TTL, GatewayKind, Payment, PaymentMethod, Refund
from domain.payments.port import (
    BadSignature,
    Bounds,
    Card,
    Dispute,
    DisputeState,
    Event,
    FailedRefund,
    GatewayRefused,
    GatewayUnavailable,
    Opened,
    Outcome,
    OutcomeState,
    RefundOutcome,
)

CENT_MICROS = 10_000
BOUNDS = Bounds(500_000, 999_999_990_000, CENT_MICROS)
TIMEOUT_S = 20.0
RETRIES_MAX = 1
TOLERANCE_S = 300
"""An event that was signed longer ago is not believed: it may be one that somebody has kept."""
REFUNDS_MAX = 100
PRODUCT = "Fabula"
_TENANT, _PAYMENT, _REFUND = "fabula_tenant", "fabula_payment", "fabula_refund"
_PAYMENT_EVENTS = frozenset({
    "payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled",
    "checkout.session.completed", "checkout.session.expired", "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
})  # fmt: skip
_CHARGE_EVENTS = frozenset({
    "charge.refunded", "charge.dispute.created", "charge.dispute.updated", "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated", "charge.dispute.closed", "refund.updated", "refund.failed",
})  # fmt: skip
_DISPUTES = {"won": DisputeState.WON, "lost": DisputeState.LOST}
_INQUIRIES = frozenset({"warning_needs_response", "warning_under_review", "warning_closed", "prevented"})
"""Disputes in which a bank only asks, or that are none any more: no money moves."""
_FAILED_REFUNDS = frozenset({"failed", "canceled"})

logging.getLogger("stripe").setLevel(logging.WARNING)


class StripeGateway:
    """Implements `domain.payments.port.PaymentGateway`. `return_url`: where a person comes back to after a page."""

    kind = GatewayKind.STRIPE
    takes_methods = True

    def __init__(
        self, secret_key: str, webhook_secret: str, *, return_url: str, api_url: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        self._secret_key = secret_key
        self._webhook_secret = webhook_secret
        self._return_url = return_url
        self._api_url = api_url
        self._timeout_s = timeout_s
        self._connected: tuple[Any, Any] | None = None

    def check(self, micros: int, *, back: bool = False) -> None:
        BOUNDS.check(micros, back=back)

    def _connect(self) -> tuple[Any, Any]:
        """The library, and a client of it."""
        import stripe

        stripe.enable_telemetry = False
        client = stripe.StripeClient(
            self._secret_key,
            base_addresses={"api": self._api_url} if self._api_url else None,
            max_network_retries=RETRIES_MAX,
            http_client=stripe.HTTPXClient(timeout=self._timeout_s),
        )
        return stripe, client.v1

    async def _ready(self) -> tuple[Any, Any]:
        if self._connected is None:
            self._connected = await asyncio.to_thread(self._connect)
        return self._connected

    async def _ask(self, request: Callable[[Any], Awaitable[Any]]) -> dict[str, Any]:
        """Raises GatewayUnavailable, GatewayRefused."""
        stripe, v1 = await self._ready()
        try:
            answer: dict[str, Any] = (await request(v1)).to_dict()
        except stripe.CardError as error:
            raise GatewayRefused(error.code or "card_declined", error.user_message or "") from None
        except stripe.InvalidRequestError as error:
            raise GatewayRefused(error.code or "invalid_request") from None
        except stripe.StripeError as error:
            what = f"{type(error).__name__}, status {error.http_status}, code {error.code}"
            raise GatewayUnavailable(f"Stripe: {what}") from None
        return answer

    # -- paying -------------------------------------------------------------------------------------------------------

    async def customer(self, tenant_id: TenantId) -> str:
        params = {"metadata": {_TENANT: str(tenant_id)}}
        made = await self._ask(lambda v1: v1.customers.create_async(params, _key("customer", tenant_id)))
        return str(made["id"])

    async def open(self, payment: Payment, customer: str, method: PaymentMethod | None) -> Opened:
        key = _key("open", payment.id)
        if method is not None:
            intent = _intent(payment, customer, method)
            made = await self._ask(lambda v1: v1.payment_intents.create_async(intent, key))
            return Opened(made["id"])
        page = _page(payment, customer, self._return_url)
        made = await self._ask(lambda v1: v1.checkout.sessions.create_async(page, key))
        return Opened(made["id"], made["url"])

    async def charge(self, payment: Payment, method: PaymentMethod | None, *, attended: bool) -> Outcome:
        if _on_page(payment):
            return await self.look_up(payment)
        params = {"return_url": self._return_url} if attended else {"off_session": True}
        key = _key("charge", payment.id)
        try:
            intent = await self._ask(lambda v1: v1.payment_intents.confirm_async(payment.external_id, params, key))
        except GatewayRefused as refusal:
            found = await self.look_up(payment)  # it may be another's doing that it cannot be charged
            if found.state is not OutcomeState.UNSTARTED:
                return found
            return Outcome(OutcomeState.FAILED, code=refusal.code, message=refusal.message)
        return _outcome(intent)

    async def look_up(self, payment: Payment) -> Outcome:
        if not _on_page(payment):
            return await self._became(await self._intent(str(payment.external_id)))
        expand = {"expand": ["payment_intent.payment_method", "payment_intent.latest_charge"]}
        session = await self._ask(lambda v1: v1.checkout.sessions.retrieve_async(payment.external_id, expand))
        if session["status"] == "open":
            return Outcome(OutcomeState.WAITING, page_url=session["url"])
        if session["status"] == "expired":
            return Outcome(OutcomeState.FAILED, code="expired", message="Nobody paid in time.")
        return await self._became(session["payment_intent"], with_card=True)

    async def _became(self, intent: dict[str, Any], *, with_card: bool = False) -> Outcome:
        """Counts the refunds one by one where there are any: a charge's sum may have those that failed."""
        outcome = _outcome(intent, with_card=with_card)
        if not outcome.refunded_micros:
            return outcome
        gone = [one["amount"] for one in await self._refunds(intent["id"]) if one["status"] not in _FAILED_REFUNDS]
        return replace(outcome, refunded_micros=sum(gone) * CENT_MICROS)

    async def _refunds(self, intent_id: str) -> list[dict[str, Any]]:
        wanted = {"payment_intent": intent_id, "limit": REFUNDS_MAX}
        listed = await self._ask(lambda v1: v1.refunds.list_async(wanted))
        return list(listed["data"])

    async def _intent(self, external_id: str) -> dict[str, Any]:
        expand = {"expand": ["latest_charge"]}
        return await self._ask(lambda v1: v1.payment_intents.retrieve_async(external_id, expand))

    async def cancel(self, payment: Payment) -> Outcome:
        with contextlib.suppress(GatewayRefused):  # when it is too late, what became of it is asked
            if _on_page(payment):
                await self._ask(lambda v1: v1.checkout.sessions.expire_async(payment.external_id))
            else:
                await self._ask(lambda v1: v1.payment_intents.cancel_async(payment.external_id))
        return await self.look_up(payment)

    # -- paying back, forgetting --------------------------------------------------------------------------------------

    async def refund(self, payment: Payment, refund: Refund) -> RefundOutcome:
        """Looks first whether it was made: Stripe forgets keys after a day."""
        try:
            intent_id = await self._intent_id(payment)
            made = [one for one in await self._refunds(intent_id) if one["metadata"].get(_REFUND) == str(refund.id)]
            params = {
                "payment_intent": intent_id, "amount": refund.amount_micros // CENT_MICROS,
                "metadata": {_REFUND: str(refund.id)},
            }  # fmt: skip
            key = _key("refund", refund.id)
            said = made[0] if made else await self._ask(lambda v1: v1.refunds.create_async(params, key))
        except GatewayRefused as refusal:
            return RefundOutcome(None, refusal.code, refusal.message)
        if said["status"] in _FAILED_REFUNDS:
            return RefundOutcome(said["id"], _why(said))
        return RefundOutcome(said["id"])

    async def _intent_id(self, payment: Payment) -> str:
        if not _on_page(payment):
            return str(payment.external_id)
        session = await self._ask(lambda v1: v1.checkout.sessions.retrieve_async(payment.external_id))
        return str(session["payment_intent"])

    async def forget_method(self, method: PaymentMethod) -> None:
        with contextlib.suppress(GatewayRefused):  # it may not be there any more
            await self._ask(lambda v1: v1.payment_methods.detach_async(method.external_id))

    # -- events -------------------------------------------------------------------------------------------------------

    async def read_event(self, body: bytes, signature: str) -> Event | None:
        stripe, _ = await self._ready()
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._webhook_secret, TOLERANCE_S)
            event = json.loads(body)
            kind, thing = event["type"], event["data"]["object"]
        except (stripe.SignatureVerificationError, ValueError, LookupError, TypeError):
            raise BadSignature from None
        if kind in _PAYMENT_EVENTS:
            return _event(event, thing.get("metadata"))
        if kind not in _CHARGE_EVENTS or not thing.get("payment_intent"):
            return None
        try:
            intent = await self._intent(thing["payment_intent"])
            dispute = await self._dispute(thing["id"]) if thing["object"] == "dispute" else None
            failed = await self._failed(thing["id"]) if thing["object"] == "refund" else None
        except GatewayRefused:
            return None
        return _event(event, intent["metadata"], dispute, failed)

    async def _failed(self, external_id: str) -> FailedRefund | None:
        """None for a refund that has not failed, and for another's."""
        thing = await self._ask(lambda v1: v1.refunds.retrieve_async(external_id))
        if thing["status"] not in _FAILED_REFUNDS:
            return None
        try:
            return FailedRefund(RefundId(UUID(thing["metadata"][_REFUND])), _why(thing))
        except (LookupError, TypeError, ValueError):
            return None

    async def _dispute(self, external_id: str) -> Dispute | None:
        """As it is now, whatever an event says. None where no money moves."""
        thing = await self._ask(lambda v1: v1.disputes.retrieve_async(external_id))
        if thing["currency"].upper() != CURRENCY or thing["status"] in _INQUIRIES:
            return None
        state = _DISPUTES.get(thing["status"], DisputeState.OPEN)
        return Dispute(thing["id"], thing["amount"] * CENT_MICROS, state)


def _key(what: str, id_: UUID) -> dict[str, str]:
    return {"idempotency_key": f"{what}:{id_}"}


def _on_page(payment: Payment) -> bool:
    return str(payment.external_id).startswith("cs_")


def _metadata(payment: Payment) -> dict[str, str]:
    return {_TENANT: str(payment.tenant_id), _PAYMENT: str(payment.id)}


def _intent(payment: Payment, customer: str, method: PaymentMethod) -> dict[str, Any]:
    return {
        "amount": payment.amount_micros // CENT_MICROS,
        "currency": payment.currency.lower(),
        "customer": customer,
        "payment_method": method.external_id,
        "payment_method_types": ["card"],
        "metadata": _metadata(payment),
    }


def _page(payment: Payment, customer: str, return_url: str) -> dict[str, Any]:
    """A page that is there for PAGE_TTL, and saves the card for later."""
    price = {
        "currency": payment.currency.lower(), "unit_amount": payment.amount_micros // CENT_MICROS,
        "product_data": {"name": PRODUCT},
    }  # fmt: skip
    page: dict[str, Any] = {
        "mode": "payment",
        "customer": customer,
        "line_items": [{"quantity": 1, "price_data": price}],
        "payment_method_types": ["card"],
        "payment_intent_data": {"setup_future_usage": "off_session", "metadata": _metadata(payment)},
        "metadata": _metadata(payment),
        "success_url": return_url,
        "cancel_url": return_url,
    }
    if payment.created_at is not None:
        page["expires_at"] = int((payment.created_at + PAGE_TTL).timestamp())
    return page


def _outcome(intent: dict[str, Any], *, with_card: bool = False) -> Outcome:
    match intent["status"]:
        case "succeeded":
            charge = intent.get("latest_charge")
            refunded = charge["amount_refunded"] * CENT_MICROS if isinstance(charge, dict) else 0
            card = _card(intent.get("payment_method")) if with_card else None
            return Outcome(OutcomeState.SUCCEEDED, card=card, refunded_micros=refunded)
        case "processing":
            return Outcome(OutcomeState.WAITING)
        case "requires_action":
            action = intent.get("next_action") or {}
            return Outcome(OutcomeState.WAITING, page_url=(action.get("redirect_to_url") or {}).get("url"))
        case "canceled":
            return Outcome(OutcomeState.FAILED, code="canceled", message="The payment was cancelled.")
    error = intent.get("last_payment_error")
    if error:
        return Outcome(OutcomeState.FAILED, code=error.get("code") or "", message=error.get("message") or "")
    return Outcome(OutcomeState.UNSTARTED)


def _card(method: Any) -> Card | None:
    if not isinstance(method, dict) or method.get("type") != "card":
        return None
    card = method["card"]
    return Card(method["id"], card["brand"], card["last4"], card["exp_month"], card["exp_year"])


def _why(refund: dict[str, Any]) -> str:
    return str(refund.get("failure_reason") or refund["status"])


def _event(
    event: dict[str, Any], metadata: Any, dispute: Dispute | None = None, failed: FailedRefund | None = None
) -> Event | None:
    """None for what another program has on the same account."""
    try:
        tenant_id, payment_id = TenantId(UUID(metadata[_TENANT])), PaymentId(UUID(metadata[_PAYMENT]))
        return Event(event["id"], tenant_id, payment_id, dispute, failed)
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
