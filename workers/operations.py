"""Sends what is due: the relay's role finds it, the application claims it, sends it and says what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from domain.ids import DeliveryId, MailId
from domain.operations import deliveries, mails
from domain.operations.mails import CLAIM_S, Mailer, MailFailed
from domain.operations.webhooks import Caller, SecretVault
from domain.unit_of_work import OpenUnitOfWork
from persistence import database
from persistence.operations.relay import Waiting

POLL_S = 0.3
OUTAGE_S = 0.5
MAILS_AT_ONCE_MAX = 10
CALLS_AT_ONCE_MAX = 200
TENANT_AT_ONCE_MAX = 4
"""So that a tenant whose servers hang takes nobody else's turn."""
FAREWELL_S = 2.0
"""For what is being sent when the process is told to stop: less than a supervisor waits."""

logger = logging.getLogger(__name__)


class Due(Protocol):
    async def __call__(self, *, each: int, batch: int) -> list[Waiting]: ...


Deliver = Callable[[Waiting], Awaitable[None]]


class Courier:
    """Finds one kind of thing that is due, and sends so many at once."""

    def __init__(self, due: Due, deliver: Deliver, *, at_once_max: int) -> None:
        self._due = due
        self._deliver = deliver
        self._at_once_max = at_once_max
        self._sending: dict[Waiting, asyncio.Task[None]] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop. An outage of PostgreSQL is waited out."""
        while not stopping.is_set():
            try:
                await self.start_due()
            except database.OUTAGES as error:
                logger.warning("courier waits: %s", error)
                await asyncio.sleep(OUTAGE_S)
            await asyncio.sleep(POLL_S)
        if self._sending:
            _, late = await asyncio.wait(self._sending.values(), timeout=FAREWELL_S)
            for one in late:
                one.cancel()

    async def round(self) -> int:
        """Send what is due now, and wait until it is sent. Returns how many."""
        started = await self.start_due()
        await asyncio.gather(*self._sending.values())
        return started

    async def start_due(self) -> int:
        """Begin to send what is due, as far as there is room."""
        tenants = Counter(one.tenant_id for one in self._sending)
        started = 0
        if len(self._sending) >= self._at_once_max:
            return 0
        for one in await self._due(each=TENANT_AT_ONCE_MAX, batch=self._at_once_max):
            full = len(self._sending) >= self._at_once_max or tenants[one.tenant_id] >= TENANT_AT_ONCE_MAX
            if not full and one not in self._sending:
                tenants[one.tenant_id] += 1
                started += 1
                self._sending[one] = asyncio.create_task(self._send(one))
        return started

    async def _send(self, one: Waiting) -> None:
        """Never raises: what was not settled is due again when its claim runs out."""
        try:
            await self._deliver(one)
        except Exception:
            logger.exception("%s was not settled", one.id)
        finally:
            del self._sending[one]


def mail_delivery(units: OpenUnitOfWork, mailer: Mailer) -> Deliver:
    async def deliver(one: Waiting) -> None:
        async with units(one.tenant_id) as uow:
            mail = await uow.mails.claim(MailId(one.id), CLAIM_S)
        if mail is None:
            return
        failure = None
        try:
            await mailer.send(mails.letter_of(mail))
        except MailFailed as error:
            failure = error
        async with units(one.tenant_id) as uow:
            state = await mails.settle(uow.mails, mail, failure)
        if failure is not None:
            logger.warning("mail %s: %s, now %s", mail.id, failure, state)

    return deliver


def webhook_delivery(units: OpenUnitOfWork, caller: Caller, vault: SecretVault) -> Deliver:
    async def deliver(one: Waiting) -> None:
        async with units(one.tenant_id) as uow:
            begun = await deliveries.begin(uow, DeliveryId(one.id), vault)
        if begun is None:
            return
        delivery, call = begun
        answer = await caller.call(call)
        async with units(one.tenant_id) as uow:
            await deliveries.finish(uow, delivery, answer)
        if not answer.good:
            logger.info("webhook delivery %s: %s", delivery.id, answer.error or answer.status)

    return deliver
