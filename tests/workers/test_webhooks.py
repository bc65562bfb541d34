"""Webhooks to a real HTTP server: signed, tried again, logged, and never sent where they must not go."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

import adapters.webhooks
from adapters.key_vault import WebhookVault
from adapters.webhooks import HttpCaller
from app.settings import Settings, environment_with
from domain.accounts import GRANTS, Actor, Role, User, join_tenant
from domain.ids import TenantId, new_id
from domain.operations import webhooks
from domain.operations.audit import Subject, record
from domain.operations.webhooks import BACKOFF_S, EndpointDraft, WebhookEndpoint, WebhookEvent
from persistence.database import Database, create_engine
from persistence.operations.relay import OperationsView
from persistence.unit_of_work import Units
from tests.conftest import CHANNEL_KEY
from tests.fakes.webhook_server import FakeReceiver, drip, hang, reset, status
from tests.graphql.clients import eventually
from tests.pace import slowness
from workers.operations import TENANT_AT_ONCE_MAX, Courier, webhook_delivery

VAULT = WebhookVault([base64.b64decode(CHANNEL_KEY)])
TREE = Path(__file__).parents[2]
BLOCKS = re.findall(r"```(python|js)\n(.*?)```", (TREE / "docs/webhooks.md").read_text(), re.DOTALL)
RECIPES = dict(BLOCKS)


@pytest.fixture
async def receiver() -> AsyncIterator[FakeReceiver]:
    async with FakeReceiver() as one:
        yield one


@pytest.fixture(scope="module")
async def view(settings: Settings) -> AsyncIterator[OperationsView]:
    engine = create_engine(settings.database_relay_url.get_secret_value(), pool_size=4)
    yield OperationsView(engine)
    await engine.dispose()


@dataclass
class Office:
    """A tenant whose administrator has one endpoint."""

    units: Units
    admin: Database
    view: OperationsView
    user: User
    actor: Actor
    endpoint: WebhookEndpoint
    secret: str

    async def happen(self, what: str = "x") -> None:
        """Something that the endpoint is told of."""
        async with self.units(self.actor.tenant_id) as uow:
            await record(uow, self.actor, "client_app.update", Subject("ClientApp", new_id()), {"name": what})

    def courier(self, at_once_max: int = 20) -> Courier:
        deliver = webhook_delivery(self.units, HttpCaller(any_address=True), VAULT)
        return Courier(self.view.due_deliveries, deliver, at_once_max=at_once_max)

    async def deliveries(self) -> list[Any]:
        return await self.rows(
            "select *, round(extract(epoch from next_try_at - clock_timestamp())) as waits_s "
            "from app.webhook_deliveries where tenant_id = :t order by id"
        )

    async def rows(self, statement: str) -> list[Any]:
        return list(await self.admin.platform_rows(text(statement).bindparams(t=self.actor.tenant_id)))

    async def change(self, statement: str) -> None:
        async with self.admin.engine.begin() as connection:
            await connection.execute(text(statement), {"t": self.actor.tenant_id})

    async def make_due(self) -> None:
        """As if the time of the next try had come."""
        await self.change("update app.webhook_deliveries set next_try_at = now() where tenant_id = :t")


async def opened(units: Units, admin: Database, view: OperationsView, url: str) -> Office:
    tenant_id = TenantId(new_id())
    async with units(tenant_id) as uow:
        user, _ = await join_tenant(
            uow.accounts, email=f"{secrets.token_hex(6)}@example.org", password_hash="none", display_name="Mei",
            tenant_name="Studio", locale="zh", tenant_id=tenant_id,
        )  # fmt: skip
        actor = Actor(tenant_id, user.id, Role.OWNER, GRANTS[Role.OWNER])
        draft = EndpointDraft(url, [WebhookEvent.AUDIT_RECORDED], any_address=True)
        made = await webhooks.create_endpoint(uow.webhooks, actor, draft, VAULT)
    return Office(units, admin, view, user, actor, made.endpoint, made.secret)


@pytest.fixture
async def office(units: Units, admin: Database, view: OperationsView, receiver: FakeReceiver) -> AsyncIterator[Office]:
    one = await opened(units, admin, view, receiver.url)
    yield one
    await one.change("delete from app.webhook_deliveries where tenant_id = :t")


def verified_by_python(body: bytes, header: str, secret: str) -> bool:
    names: dict[str, Any] = {}
    exec(RECIPES["python"], names)
    return bool(names["verified"](body, header, secret))


def verified_by_node(body: bytes, header: str, secret: str) -> bool:
    program = RECIPES["js"] + "console.log(verified(Buffer.from(process.argv[1], 'hex'), ...process.argv.slice(2)))"
    command = ["node", "--input-type=module", "-e", program, body.hex(), header, secret]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "true"


# -- the way there ---------------------------------------------------------------------------------------------------


async def test_an_event_arrives_once_and_is_signed(office: Office, receiver: FakeReceiver) -> None:
    await office.happen("雨")
    courier = office.courier()
    assert [await courier.round(), await courier.round()] == [1, 0]
    [one], [row] = receiver.received, await office.deliveries()
    assert one.line == "POST /hooks HTTP/1.1"
    assert one.body == row.body.encode()
    told = json.loads(one.body)
    assert (told["id"], told["type"], told["data"]["details"]) == (
        str(row.event_id), "audit.recorded", {"name": "雨"},
    )  # fmt: skip
    assert (one.headers["fabula-event-id"], one.headers["fabula-event-type"], one.headers["content-type"]) == (
        str(row.event_id), "audit.recorded", "application/json",
    )  # fmt: skip
    assert verified_by_python(one.body, one.headers["fabula-signature"], office.secret)
    assert (row.state, row.attempts, [(each["status"], each["error"]) for each in row.log]) == (
        "DELIVERED", 1, [(200, None)],
    )  # fmt: skip
    assert row.delivered_at is not None


@pytest.mark.parametrize("recipe", ["python", "js"])
async def test_the_recipe_of_the_docs_takes_what_was_sent_and_nothing_else(
    office: Office, receiver: FakeReceiver, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if recipe == "js" and shutil.which("node") is None:
        pytest.skip("Node is not there")
    verified = verified_by_python if recipe == "python" else verified_by_node
    await office.happen("雨")
    await office.courier().round()
    body, header = receiver.received[0].body, receiver.received[0].headers["fabula-signature"]
    assert verified(body, header, office.secret)
    assert not verified(body + b" ", header, office.secret)
    assert not verified(body, header, office.secret[:-1])
    assert not verified(body, header.replace("v1=", "v0="), office.secret)
    assert not verified(body, header[:-64] + "0" * 64, office.secret)
    for age_s, good in ((290, True), (310, False)):
        at_s = int(time.time()) - age_s
        old = f"t={at_s},v1={webhooks.signature(office.secret, at_s, body)}"
        assert verified(body, old, office.secret) is good


async def test_for_a_day_after_a_rotation_both_secrets_are_good(office: Office, receiver: FakeReceiver) -> None:
    old = office.secret
    async with office.units(office.actor.tenant_id) as uow:
        new = (await webhooks.rotate_secret(uow.webhooks, office.actor, office.endpoint.id, uow.now, VAULT)).secret
    for expected in ([True, True], [True, False]):
        await office.happen()
        await office.courier().round()
        one = receiver.received[-1]
        assert [verified_by_python(one.body, one.headers["fabula-signature"], each) for each in (new, old)] == expected
        await office.change("update app.webhook_endpoints set previous_until = now() where tenant_id = :t")


async def test_an_error_is_followed_by_another_try_of_the_same_bytes(office: Office, receiver: FakeReceiver) -> None:
    receiver.behaviours = [status(500)]
    await office.happen()
    courier = office.courier()
    await courier.round()
    [row] = await office.deliveries()
    assert (row.state, row.attempts, row.waits_s, row.log[0]["status"]) == ("QUEUED", 1, BACKOFF_S[0], 500)
    assert await courier.round() == 0
    await office.make_due()
    assert [await courier.round(), await courier.round()] == [1, 0]
    [row] = await office.deliveries()
    assert (row.state, [each["status"] for each in row.log]) == ("DELIVERED", [500, 200])
    first, second = receiver.received
    assert (first.body, first.headers["fabula-event-id"]) == (second.body, second.headers["fabula-event-id"])


@pytest.mark.parametrize("behaviour", [hang, drip])
async def test_an_endpoint_that_takes_its_time_is_left(
    office: Office, receiver: FakeReceiver, behaviour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.webhooks, "SEND_S", 0.5)
    receiver.behaviours = [behaviour]
    await office.happen()
    began = time.monotonic()
    await office.courier().round()
    assert time.monotonic() - began < 2 * slowness()
    [row] = await office.deliveries()
    assert (row.state, row.log[0]["status"], row.log[0]["error"]) == ("QUEUED", None, "no answer within 0.5 s")
    assert 500 <= row.log[0]["duration_ms"] < 1_500 * slowness()


async def test_a_redirect_is_not_followed(office: Office, receiver: FakeReceiver) -> None:
    async with FakeReceiver() as elsewhere:
        receiver.behaviours = [status(307, f"Location: {elsewhere.url}")]
        await office.happen()
        await office.courier().round()
        assert elsewhere.received == []
    [row] = await office.deliveries()
    assert (row.state, row.log[0]["status"]) == ("QUEUED", 307)


async def test_a_broken_connection_is_an_answer_like_another(office: Office, receiver: FakeReceiver) -> None:
    receiver.behaviours = [reset]
    await office.happen()
    await office.courier().round()
    [row] = await office.deliveries()
    assert (row.state, row.log[0]["status"]) == ("QUEUED", None)
    assert row.log[0]["error"].startswith(("ReadError", "RemoteProtocolError"))


async def test_many_couriers_deliver_an_event_once(office: Office, receiver: FakeReceiver) -> None:
    for n in range(4):
        await office.happen(str(n))
    couriers = [office.courier() for _ in range(4)]
    await asyncio.gather(*(one.round() for one in couriers))
    ids = [one.headers["fabula-event-id"] for one in receiver.received]
    assert sorted(ids) == sorted(str(row.event_id) for row in await office.deliveries())


async def test_so_many_are_sent_at_once_and_no_more(office: Office, receiver: FakeReceiver) -> None:
    for n in range(4):
        await office.happen(str(n))
    courier = office.courier(at_once_max=3)
    assert [await courier.start_due(), await courier.start_due()] == [3, 0]
    assert [await courier.round(), await courier.round(), await courier.round()] == [0, 1, 0]
    assert len(receiver.received) == 4


async def test_a_tenant_whose_endpoint_hangs_takes_nobody_elses_turn(office: Office, receiver: FakeReceiver) -> None:
    receiver.behaviours = [hang] * TENANT_AT_ONCE_MAX
    for n in range(TENANT_AT_ONCE_MAX + 1):
        await office.happen(str(n))
    async with FakeReceiver() as quick:
        other = await opened(office.units, office.admin, office.view, quick.url)
        await other.happen()
        courier = office.courier()
        assert await courier.start_due() == TENANT_AT_ONCE_MAX + 1

        async def delivered() -> bool:
            return [row.state for row in await other.deliveries()] == ["DELIVERED"]

        await eventually(delivered, "the other tenant's event arrives")
        assert await courier.start_due() == 0
    hanging = list(courier._sending.values())
    for task in hanging:
        task.cancel()
    await asyncio.wait(hanging)
    assert len(hanging) == TENANT_AT_ONCE_MAX


async def test_who_is_killed_before_saying_so_leaves_the_same_event_to_the_next(
    office: Office, receiver: FakeReceiver, settings: Settings
) -> None:
    relays: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        command = [sys.executable, "-m", "app", "relay"]
        relays.append(subprocess.Popen(command, cwd=TREE, env=environment_with(settings.as_variables())))

    async def kill_before_the_answer(_writer: asyncio.StreamWriter) -> None:
        os.kill(relays[0].pid, signal.SIGKILL)

    async def delivered() -> bool:
        return [row.state for row in await office.deliveries()] == ["DELIVERED"]

    receiver.behaviours = [kill_before_the_answer]
    await office.happen()
    try:
        start()
        assert await asyncio.to_thread(relays[0].wait, 30) == -signal.SIGKILL
        [row] = await office.deliveries()
        assert (row.state, row.attempts, row.log) == ("QUEUED", 1, [])
        assert 0 < row.waits_s <= webhooks.CLAIM_S
        start()
        await office.make_due()
        await eventually(delivered, "the event arrives", 30)
    finally:
        for one in relays:
            one.kill()
            one.wait()
    first, second = receiver.received
    assert (first.body, first.headers["fabula-event-id"]) == (second.body, second.headers["fabula-event-id"])


# -- what cannot arrive ----------------------------------------------------------------------------------------------


async def test_days_without_a_success_turn_an_endpoint_off_and_its_administrators_are_told(
    office: Office, receiver: FakeReceiver
) -> None:
    receiver.behaviours = [status(500), status(500)]
    await office.happen()
    courier = office.courier()
    await courier.round()
    await office.change(
        "update app.webhook_endpoints set failing_since = failing_since - interval '3 days' where tenant_id = :t"
    )
    await office.make_due()
    await courier.round()
    [endpoint] = await office.rows("select * from app.webhook_endpoints where tenant_id = :t")
    assert (endpoint.enabled, endpoint.disabled_at is None) == (False, False)
    [notice] = await office.rows("select * from app.notifications where tenant_id = :t")
    assert (notice.user_id, notice.kind, notice.params) == (
        office.user.id, "WEBHOOK_DISABLED", {"host": urlsplit(receiver.url).netloc},
    )  # fmt: skip
    [mail] = await office.rows("select * from app.mails where tenant_id = :t")
    assert (mail.recipient, mail.locale, mail.template, mail.params) == (
        office.user.email, "zh", "webhook_disabled", {"name": "Mei", "host": urlsplit(receiver.url).netloc, "days": "3"},
    )  # fmt: skip
    log = await office.rows("select actor_kind, action from app.audit_entries where tenant_id = :t order by id")
    assert (log[-1].actor_kind, log[-1].action) == ("PLATFORM", "webhook_endpoint.disable")
    await office.make_due()
    assert await courier.round() == 1
    [row] = await office.deliveries()
    assert (row.state, row.log[-1]["error"], len(receiver.received)) == ("DEAD", "the endpoint is off", 2)


async def test_one_success_ends_a_row_of_failures(office: Office, receiver: FakeReceiver) -> None:
    receiver.behaviours = [status(500)]
    await office.happen()
    courier = office.courier()
    failing = []
    for _ in range(2):
        await courier.round()
        failing += await office.rows(
            "select failing_since is not null as it from app.webhook_endpoints where tenant_id = :t"
        )
        await office.make_due()
    assert [row.it for row in failing] == [True, False]
