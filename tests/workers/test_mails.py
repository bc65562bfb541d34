"""Mail through a real SMTP server: one delivery for one row, and after a crash the same letter again."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from adapters.mail import LogMailer, SmtpMailer, mailer_for
from app.settings import Settings
from domain.accounts import User, join_tenant
from domain.ids import MailId, TenantId, new_id
from domain.operations.mail_texts import MailTemplate
from domain.operations.mails import BACKOFF_S, CLAIM_S, Letter, Mailer, MailFailed, MailState, write_mail
from persistence.database import Database, create_engine
from persistence.operations.relay import OperationsView
from persistence.unit_of_work import Units
from tests.fakes.mail_server import FakeMailServer
from workers.operations import Courier, mail_delivery

SENDER = "Fabula <mail@fabula.example>"
LETTER = Letter(MailId(new_id()), "mei@example.org", "Hello", "Text\n")


@pytest.fixture
async def server() -> AsyncIterator[FakeMailServer]:
    async with FakeMailServer() as one:
        yield one


@pytest.fixture(scope="module")
async def view(settings: Settings) -> AsyncIterator[OperationsView]:
    engine = create_engine(settings.database_relay_url.get_secret_value(), pool_size=2)
    yield OperationsView(engine)
    await engine.dispose()


@dataclass
class Office:
    """A tenant with one user, whose mails are written and sent step by step."""

    units: Units
    admin: Database
    view: OperationsView
    tenant_id: TenantId
    user: User

    async def write(self, *, fails: bool = False) -> None:
        async with self.units(self.tenant_id) as uow:
            params = {"name": "Mei", "host": "a.example", "days": "3"}
            await write_mail(uow, self.user, MailTemplate.WEBHOOK_DISABLED, params)
            if fails:
                raise ZeroDivisionError

    def courier(self, mailer: Mailer) -> Courier:
        return Courier(self.view.due_mails, mail_delivery(self.units, mailer), at_once_max=10)

    async def rows(self) -> list[Any]:
        statement = text(
            "select *, round(extract(epoch from next_try_at - clock_timestamp())) as waits_s from app.mails "
            "where tenant_id = :t order by id"
        )
        return list(await self.admin.platform_rows(statement.bindparams(t=self.tenant_id)))

    async def make_due(self) -> None:
        """As if the time of its next try had come."""
        async with self.admin.engine.begin() as connection:
            statement = text("update app.mails set next_try_at = now() where tenant_id = :t")
            await connection.execute(statement, {"t": self.tenant_id})


@pytest.fixture
async def office(units: Units, admin: Database, view: OperationsView) -> Office:
    tenant_id = TenantId(new_id())
    async with units(tenant_id) as uow:
        user, _ = await join_tenant(
            uow.accounts, email=f"{secrets.token_hex(6)}@example.org", password_hash="none", display_name="Mei",
            tenant_name="Studio", locale="zh", tenant_id=tenant_id,
        )  # fmt: skip
    return Office(units, admin, view, tenant_id, user)


async def test_a_written_mail_arrives_once(office: Office, server: FakeMailServer) -> None:
    await office.write()
    courier = office.courier(SmtpMailer(server.url, SENDER))
    assert [await courier.round(), await courier.round()] == [1, 0]
    [message], [row] = server.accepted, await office.rows()
    assert (message["From"], message["To"], message["Message-ID"], message["Auto-Submitted"]) == (
        SENDER, office.user.email, f"<{row.id}@fabula.example>", "auto-generated",
    )  # fmt: skip
    assert message["Subject"] == "Fabula 已停止向 a.example 推送"
    assert message.get_content_type() == "text/plain"
    assert "Mei，您好：" in message.get_content()
    assert message["Date"] is not None
    assert server.envelopes[0].rcpt_tos == [office.user.email]
    assert (row.state, row.attempts, row.last_error) == ("SENT", 1, None)
    assert row.sent_at is not None


async def test_a_mail_of_a_transaction_that_failed_is_never_sent(office: Office, server: FakeMailServer) -> None:
    with pytest.raises(ZeroDivisionError):
        await office.write(fails=True)
    assert await office.courier(SmtpMailer(server.url, SENDER)).round() == 0
    assert server.accepted == []


async def test_many_couriers_send_a_mail_once(office: Office, server: FakeMailServer) -> None:
    for _ in range(3):
        await office.write()
    couriers = [office.courier(SmtpMailer(server.url, SENDER)) for _ in range(4)]
    await asyncio.gather(*(one.round() for one in couriers))
    ids = [message["Message-ID"] for message in server.accepted]
    assert sorted(ids) == sorted(f"<{row.id}@fabula.example>" for row in await office.rows())


async def test_a_busy_server_gets_it_later(office: Office, server: FakeMailServer) -> None:
    await office.write()
    server.contents = ["451 later"]
    courier = office.courier(SmtpMailer(server.url, SENDER))
    await courier.round()
    [row] = await office.rows()
    assert (row.state, row.attempts, row.last_error, row.waits_s) == ("QUEUED", 1, "451 later", BACKOFF_S[0])
    assert await courier.round() == 0
    await office.make_due()
    await courier.round()
    [row] = await office.rows()
    assert (row.state, row.attempts, row.last_error, len(server.accepted)) == ("SENT", 2, None, 1)


@pytest.mark.parametrize(("command", "answer"), [("recipients", "550 nobody"), ("contents", "554 unwanted")])
async def test_a_mail_that_is_refused_for_good_is_dead(
    office: Office, server: FakeMailServer, command: str, answer: str
) -> None:
    await office.write()
    setattr(server, command, [answer])
    await office.courier(SmtpMailer(server.url, SENDER)).round()
    [row] = await office.rows()
    assert (row.state, row.last_error) == ("DEAD", answer)


async def test_a_server_that_is_away_is_asked_again(office: Office) -> None:
    await office.write()
    async with FakeMailServer() as gone:
        pass
    await office.courier(SmtpMailer(gone.url, SENDER)).round()
    [row] = await office.rows()
    assert (row.state, row.attempts) == ("QUEUED", 1)
    assert row.last_error.startswith("SMTPConnectError")
    async with FakeMailServer(port=gone.port) as back:
        await office.make_due()
        await office.courier(SmtpMailer(back.url, SENDER)).round()
        assert len(back.accepted) == 1


async def test_who_dies_before_saying_so_leaves_the_same_letter_to_the_next(
    office: Office, server: FakeMailServer
) -> None:
    await office.write()

    class Doomed(SmtpMailer):
        async def send(self, letter: Letter) -> None:
            await super().send(letter)
            await asyncio.Event().wait()

    doomed = office.courier(Doomed(server.url, SENDER))
    await doomed.start_due()
    await server.arrived.wait()
    heir = office.courier(SmtpMailer(server.url, SENDER))
    assert await heir.round() == 0  # the dead one's claim stands
    [sending] = doomed._sending.values()
    sending.cancel()
    await asyncio.wait([sending])
    await office.make_due()
    assert [await heir.round(), await heir.round()] == [1, 0]
    first, second = server.accepted
    assert first["Message-ID"] == second["Message-ID"]
    [row] = await office.rows()
    assert (row.state, row.attempts) == ("SENT", 2)


async def test_a_claim_that_ran_out_settles_nothing(office: Office) -> None:
    await office.write()
    [row] = await office.rows()
    async with office.units(office.tenant_id) as uow:
        late = await uow.mails.claim(row.id, 0.0)
    async with office.units(office.tenant_id) as uow:
        newer = await uow.mails.claim(row.id, CLAIM_S)
    assert late is not None and newer is not None
    states = []
    for claimed, state in ((late, MailState.DEAD), (newer, MailState.SENT)):
        async with office.units(office.tenant_id) as uow:
            await uow.mails.settle(claimed, state, None, 0.0)
        states += [row.state for row in await office.rows()]
    assert states == ["QUEUED", "SENT"]


# -- the server ------------------------------------------------------------------------------------------------------


async def test_credentials_are_shown_to_the_server() -> None:
    async with FakeMailServer(password="p@ss word") as server:
        await mailer_for(server.url.replace("p@ss word", "p%40ss%20word"), SENDER).send(LETTER)
        assert len(server.accepted) == 1
        with pytest.raises(MailFailed, match="535") as caught:
            await mailer_for(server.url.replace("p@ss word", "wrong"), SENDER).send(LETTER)
        assert caught.value.retryable  # the letter is as good as before
    assert "wrong" not in str(caught.value)


async def test_credentials_are_not_shown_to_another_machine_in_the_clear() -> None:
    assert SmtpMailer("smtp://user:password@mail.example.org:587", SENDER)._server["start_tls"] is True
    assert SmtpMailer("smtp://mail.example.org", SENDER)._server["start_tls"] is None
    assert SmtpMailer("smtps://user:password@mail.example.org", SENDER)._server["use_tls"] is True


@pytest.mark.parametrize("address", ["a,b@example.org", "a b@example.org"])
async def test_an_address_that_is_two_is_none(server: FakeMailServer, address: str) -> None:
    with pytest.raises(MailFailed, match="no address") as caught:
        await SmtpMailer(server.url, SENDER).send(Letter(LETTER.id, address, "x", "x"))
    assert not caught.value.retryable
    assert server.accepted == []


async def test_without_a_server_a_mail_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    mailer = mailer_for("", SENDER)
    assert isinstance(mailer, LogMailer)
    with caplog.at_level(logging.INFO):
        await mailer.send(LETTER)
    assert caplog.messages == ["no mail server: mei@example.org is not told 'Hello'"]
