"""As much of Stripe's API as payments need, over HTTP on loopback: it keeps its own books, and breaks when told to.

A key that comes again gives the first answer again, an error too, as Stripe's does. Events are kept, and sent when a test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx

API_KEY = "sk_test_planted4Gq9ZfakeStripeKey"
WEBHOOK_SECRET = "whsec_planted7Hx2fakeSecret"
CARD = {
    "id": "pm_1", "object": "payment_method", "type": "card",
    "card": {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2034},
}  # fmt: skip
ERROR, HANG, LOST, DECLINE, NEEDS_ACTION = "error", "hang", "lost", "decline", "needs_action"
"""What may befall a request. LOST: it is done, and the connection breaks before the answer."""

Answer = tuple[int, dict[str, Any]]


def _nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """`a[b][0][c]=1` as {"a": {"b": {"0": {"c": "1"}}}}."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        *way, last = name.replace("]", "").split("[")
        place = found
        for part in way:
            place = place.setdefault(part, {})
        place[last] = value
    return found


def _failure(status: int, type_: str, code: str, message: str = "No.") -> Answer:
    return status, {"error": {"type": type_, "code": code, "message": message}}


@dataclass
class FakeStripe:
    """`async with FakeStripe() as stripe:` serves at `stripe.url`. `faults`: (part of a path, fault), each used once."""

    faults: list[tuple[str, str]] = field(default_factory=list)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    disputes: dict[str, dict[str, Any]] = field(default_factory=dict)
    detached: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    before_answer: Callable[[str], Any] | None = None
    """Awaited with each path once its work is done, before its answer goes."""
    port: int = 0
    _answers: dict[str, tuple[str, Answer]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forget(self) -> None:
        """Faults, books and what was asked."""
        for kept in (
            self.faults, self.intents, self.sessions, self.refunds, self.disputes, self.detached, self.events,
            self.requests,
        ):  # fmt: skip
            kept.clear()
        self.before_answer = None

    @property
    def charged(self) -> list[int]:
        """What was taken, in cents."""
        return [one["amount"] for one in self.intents.values() if one["status"] == "succeeded"]

    # -- HTTP ---------------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in head[1:])}
        body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
        path = urlsplit(target).path
        self.requests.append(f"{method} {path}")
        fault = self._fault(path)
        if fault == HANG:
            await asyncio.Event().wait()
        params = _nested(parse_qsl(body or urlsplit(target).query, keep_blank_values=True))
        status, answer = self._answer(method, path, headers, params, body, fault)
        if self.before_answer is not None:
            await self.before_answer(path)
        if fault == LOST:
            writer.transport.abort()
            return
        text = json.dumps(answer).encode()
        lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(text)}"]
        writer.write("\r\n".join([*lines, "stripe-should-retry: false", "connection: close", "", ""]).encode() + text)
        await writer.drain()

    def _fault(self, path: str) -> str | None:
        for number, (part, fault) in enumerate(self.faults):
            if part in path:
                del self.faults[number]
                return fault
        return None

    def _answer(
        self, method: str, path: str, headers: dict[str, str], params: dict[str, Any], body: str, fault: str | None
    ) -> Answer:
        if headers.get("authorization") != f"Bearer {API_KEY}":
            return _failure(401, "invalid_request_error", "api_key_invalid", f"Invalid: {headers['authorization']}")
        key = headers.get("idempotency-key", "") if method == "POST" else ""
        if key in self._answers:
            asked, answer = self._answers[key]
            return answer if asked == path + body else _failure(400, "idempotency_error", "keys")
        way = path.removeprefix("/v1/").split("/")
        broken = fault == ERROR
        answer = _failure(500, "api_error", "internal") if broken else self._do(method, way, params, fault)
        if key:
            self._answers[key] = path + body, answer
        return answer

    # -- its books ----------------------------------------------------------------------------------------------------

    def _do(self, method: str, way: list[str], params: dict[str, Any], fault: str | None) -> Answer:
        match method, way:
            case "POST", ["customers"]:
                return 200, {"id": self._id("cus"), "object": "customer"}
            case "POST", ["payment_intents"]:
                return 200, self._new_intent(params)
            case "GET", ["payment_intents", id_] if id_ in self.intents:
                return 200, self._shown(self.intents[id_])
            case "POST", ["payment_intents", id_, "confirm"] if id_ in self.intents:
                return self._confirm(self.intents[id_], fault)
            case "POST", ["payment_intents", id_, "cancel"] if id_ in self.intents:
                return self._cancel(self.intents[id_])
            case "POST", ["checkout", "sessions"]:
                return 200, self._new_session(params)
            case "GET", ["checkout", "sessions", id_] if id_ in self.sessions:
                return 200, self._shown_session(self.sessions[id_], "expand" in params)
            case "POST", ["checkout", "sessions", id_, "expire"] if id_ in self.sessions:
                return self._expire(self.sessions[id_])
            case "POST", ["refunds"]:
                return self._refund(params)
            case "GET", ["refunds"]:
                mine = [one for one in self.refunds.values() if one["payment_intent"] == params["payment_intent"]]
                return 200, {"object": "list", "data": mine}
            case "GET", ["disputes" | "refunds", id_] if id_ in self.disputes | self.refunds:
                return 200, (self.disputes | self.refunds)[id_]
            case "POST", ["payment_methods", id_, "detach"]:
                self.detached.append(id_)
                return 200, {"id": id_, "object": "payment_method"}
        return _failure(404, "invalid_request_error", "resource_missing")

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers)}"

    def _new_intent(self, params: dict[str, Any]) -> dict[str, Any]:
        id_ = self._id("pi")
        self.intents[id_] = {
            "id": id_, "object": "payment_intent", "amount": int(params["amount"]), "currency": params["currency"],
            "status": "requires_confirmation", "metadata": params.get("metadata", {}), "payment_method": CARD["id"],
            "last_payment_error": None, "next_action": None, "latest_charge": None,
        }  # fmt: skip
        return self.intents[id_]

    def _confirm(self, intent: dict[str, Any], fault: str | None) -> Answer:
        if intent["status"] != "requires_confirmation":
            return _failure(400, "invalid_request_error", "payment_intent_unexpected_state")
        if fault == DECLINE:
            error = {"code": "card_declined", "message": "Your card was declined."}
            intent |= {"status": "requires_payment_method", "last_payment_error": error}
            self._note("payment_intent.payment_failed", intent)
            return 402, {"error": {"type": "card_error", **error}}
        if fault == NEEDS_ACTION:
            action = {"type": "redirect_to_url", "redirect_to_url": {"url": f"{self.url}/bank/{intent['id']}"}}
            intent |= {"status": "requires_action", "next_action": action}
            return 200, intent
        return 200, self.take(intent)

    def take(self, intent: dict[str, Any]) -> dict[str, Any]:
        """The money of an intent."""
        charge = {"id": self._id("ch"), "object": "charge", "amount_refunded": 0, "payment_intent": intent["id"]}
        intent |= {"status": "succeeded", "latest_charge": charge, "next_action": None}
        self._note("payment_intent.succeeded", intent)
        return intent

    def _cancel(self, intent: dict[str, Any]) -> Answer:
        if intent["status"] in {"succeeded", "canceled"}:
            return _failure(400, "invalid_request_error", "payment_intent_unexpected_state")
        intent["status"] = "canceled"
        return 200, intent

    def _shown(self, intent: dict[str, Any]) -> dict[str, Any]:
        return dict(intent)

    def _new_session(self, params: dict[str, Any]) -> dict[str, Any]:
        id_ = self._id("cs")
        price = params["line_items"]["0"]["price_data"]
        self.sessions[id_] = {
            "id": id_, "object": "checkout.session", "status": "open", "payment_status": "unpaid",
            "url": f"{self.url}/pay/{id_}", "metadata": params["metadata"], "payment_intent": None,
            "wanted": {"amount": price["unit_amount"], "currency": price["currency"]}
            | {"metadata": params["payment_intent_data"]["metadata"]},
        }  # fmt: skip
        return self.sessions[id_]

    def _shown_session(self, session: dict[str, Any], expanded: bool) -> dict[str, Any]:
        if not expanded or session["payment_intent"] is None:
            return session
        return session | {"payment_intent": self.intents[session["payment_intent"]] | {"payment_method": CARD}}

    def pay_page(self, session_id: str) -> None:
        """Somebody pays at a page."""
        session = self.sessions[session_id]
        intent = self.take(self._new_intent(session["wanted"]))
        session |= {"status": "complete", "payment_status": "paid", "payment_intent": intent["id"], "url": None}
        self._note("checkout.session.completed", session)

    def _expire(self, session: dict[str, Any]) -> Answer:
        if session["status"] != "open":
            return _failure(400, "invalid_request_error", "session_not_open")
        session |= {"status": "expired", "url": None}
        self._note("checkout.session.expired", session)
        return 200, session

    def _refund(self, params: dict[str, Any]) -> Answer:
        intent, cents = self.intents[params["payment_intent"]], int(params["amount"])
        charge = intent["latest_charge"]
        if charge["amount_refunded"] + cents > intent["amount"]:
            return _failure(400, "invalid_request_error", "charge_already_refunded")
        id_ = self._id("re")
        self.refunds[id_] = {"id": id_, "object": "refund", "status": "succeeded", "amount": cents,
                             "payment_intent": intent["id"], "metadata": params.get("metadata", {})}  # fmt: skip
        charge["amount_refunded"] += cents
        self._note("charge.refunded", charge)
        return 200, self.refunds[id_]

    def pay_back(self, intent_id: str, cents: int) -> None:
        """Somebody pays back at Stripe's own desk."""
        self._refund({"payment_intent": intent_id, "amount": str(cents)})

    def fail_refund(self, *, counted: bool) -> None:
        """The money of the last refund comes back. `counted`: the charge's sum has it all the same."""
        refund = list(self.refunds.values())[-1]
        refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
        if not counted:
            self.intents[refund["payment_intent"]]["latest_charge"]["amount_refunded"] -= refund["amount"]
        self._note("refund.failed", refund)
        self._note("refund.updated", refund)

    def dispute(self, intent_id: str, cents: int, status: str = "needs_response") -> str:
        """A bank takes back or only asks, or (with a final `status`) the dispute ends."""
        thing = {"id": f"dp_{intent_id}", "object": "dispute", "amount": cents, "currency": "usd", "status": status,
                 "payment_intent": intent_id}  # fmt: skip
        closed = status in {"won", "lost", "warning_closed"}
        what = "closed" if closed else "updated" if thing["id"] in self.disputes else "created"
        self.disputes[str(thing["id"])] = thing
        self._note(f"charge.dispute.{what}", thing)
        return str(thing["id"])

    # -- events -------------------------------------------------------------------------------------------------------

    def _note(self, type_: str, thing: dict[str, Any]) -> None:
        event = {"id": self._id("evt"), "object": "event", "type": type_, "data": {"object": dict(thing)}}
        self.events.append(event)

    async def tell(self, site: str, event: dict[str, Any], *, secret: str = WEBHOOK_SECRET, age_s: float = 0.0) -> int:
        """Send an event, signed; the status of the answer."""
        body = json.dumps(event).encode()
        at = int(time.time() - age_s)
        signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            answer = await http.post(
                f"{site}/webhooks/stripe", content=body, headers={"stripe-signature": f"t={at},v1={signature}"}
            )
        return answer.status_code

    async def tell_all(self, site: str) -> list[int]:
        """Send every event so far that was not sent, the newest first: they come in any order."""
        waiting, self.events = self.events[::-1], []
        return [await self.tell(site, one) for one in waiting]
