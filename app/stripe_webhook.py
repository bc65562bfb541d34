"""POST /webhooks/stripe: what Stripe tells of payments. Only what it has signed is believed."""

from __future__ import annotations

import asyncio
import logging

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from domain.payments.entities import GatewayKind
from domain.payments.port import BadSignature, GatewayUnavailable
from domain.payments.service import Payments

PATH = "/webhooks/stripe"
BODY_BYTES_MAX = 256 * 1024
"""An event has some kilobytes."""
BODY_S = 10.0
"""Longer no body is waited for."""

logger = logging.getLogger(__name__)


def add_routes(app: FastAPI, payments: Payments) -> None:
    """Nothing where payments go another way."""
    if payments.gateway.kind is not GatewayKind.STRIPE:
        return

    async def take(request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_S):
                body = await _body(request)
        except TimeoutError:
            return PlainTextResponse("This takes too long.\n", 408)
        if body is None:
            return PlainTextResponse("This is too large.\n", 413)
        try:
            event = await payments.told(body, request.headers.get("stripe-signature", ""))
        except BadSignature:
            return PlainTextResponse("This is not signed by whom it should be.\n", 400)
        except GatewayUnavailable as error:
            logger.warning("an event has to come again: %s", error)
            return PlainTextResponse("Later, please.\n", 503)
        if event is not None:
            logger.info("event %s of payment %s taken", event.id, event.payment_id)
        return PlainTextResponse("ok\n")

    app.add_route(PATH, take, methods=["POST"])


async def _body(request: Request) -> bytes | None:
    """None for more than BODY_BYTES_MAX, of which no more is read."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            return None
    return body
