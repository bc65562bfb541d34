"""Mail: said in the reader's language, tried again for so long, and never made into headers."""

from __future__ import annotations

import pytest

from domain.accounts import User
from domain.ids import UserId, new_id
from domain.operations.mail_texts import _CHINESE, _ENGLISH, MailTemplate, text_of
from domain.operations.mails import (
    ATTEMPTS_MAX,
    BACKOFF_S,
    CLAIM_S,
    SEND_S,
    Mail,
    MailFailed,
    MailState,
    letter_of,
    settle,
    write_mail,
)
from tests.domain.memory import NOW, MemoryUnitOfWork

TEMPLATE = MailTemplate.WEBHOOK_DISABLED
PARAMS = {"name": "Mei", "host": "a.example", "days": "3"}


async def written(locale: str = "en") -> tuple[MemoryUnitOfWork, Mail]:
    uow = MemoryUnitOfWork()
    await write_mail(uow, User(UserId(new_id()), "mei@example.org", "Mei", "", locale), TEMPLATE, PARAMS)
    [mail] = uow.mails.rows.values()
    return uow, mail


async def test_a_mail_waits_in_the_transaction_that_wrote_it() -> None:
    uow, mail = await written("zh-Hans")
    assert (mail.tenant_id, mail.recipient, mail.locale, mail.template, mail.params, mail.state) == (
        uow.tenant_id, "mei@example.org", "zh-Hans", "webhook_disabled", PARAMS, "QUEUED",
    )  # fmt: skip
    assert (mail.attempts, mail.next_try_at) == (0, NOW)


@pytest.mark.parametrize(
    ("locale", "subject"),
    [
        ("zh", "Fabula 已停止向 a.example 推送"),
        ("zh-Hant", "Fabula 已停止向 a.example 推送"),
        ("en", "Fabula no longer calls a.example"),
        ("fr", "Fabula no longer calls a.example"),
    ],
)
async def test_a_letter_is_in_the_language_of_its_reader(locale: str, subject: str) -> None:
    _, mail = await written(locale)
    letter = letter_of(mail)
    assert (letter.id, letter.recipient, letter.subject) == (mail.id, "mei@example.org", subject)
    assert "Mei" in letter.body and "a.example" in letter.body


def test_every_template_is_there_in_both_languages() -> None:
    assert set(_ENGLISH) == set(_CHINESE) == set(MailTemplate)
    for texts in (_ENGLISH, _CHINESE):
        for text in texts.values():
            subject, _, body = text.partition("\n\n")
            assert "\n" not in subject and body.endswith("\n")


def test_line_ends_in_a_parameter_make_no_header() -> None:
    subject, _ = text_of(TEMPLATE, "en", {**PARAMS, "host": "x\r\nBcc: all@example.org"})
    assert subject == "Fabula no longer calls x Bcc: all@example.org"


async def test_a_mail_with_a_parameter_missing_is_not_written() -> None:
    uow = MemoryUnitOfWork()
    with pytest.raises(KeyError, match="days"):
        await write_mail(uow, User(UserId(new_id()), "a@b", "A", ""), TEMPLATE, {"name": "x", "host": "y"})
    assert uow.mails.rows == {}


async def test_a_refused_mail_waits_longer_each_time_and_then_no_more() -> None:
    uow, mail = await written()
    states = []
    while mail.state == MailState.QUEUED:
        assert await uow.mails.claim(mail.id, CLAIM_S) is mail
        states.append(await settle(uow.mails, mail, MailFailed("451 busy", retryable=True)))
    assert states == ["QUEUED"] * len(BACKOFF_S) + ["DEAD"]
    assert uow.mails.waits_s == [*BACKOFF_S, 0]
    assert sorted(BACKOFF_S) == list(BACKOFF_S) and BACKOFF_S[-1] == 86_400
    assert mail.last_error == "451 busy"


async def test_what_can_never_arrive_is_not_tried_again() -> None:
    uow, mail = await written()
    await uow.mails.claim(mail.id, CLAIM_S)
    assert await settle(uow.mails, mail, MailFailed("550 nobody", retryable=False)) == "DEAD"


async def test_a_mail_whose_senders_die_is_given_up() -> None:
    _, mail = await written()
    mail.attempts = ATTEMPTS_MAX
    assert letter_of(mail).id == mail.id
    mail.attempts += 1
    with pytest.raises(MailFailed, match="given up") as caught:
        letter_of(mail)
    assert not caught.value.retryable


async def test_a_template_of_another_version_is_given_up() -> None:
    _, mail = await written()
    mail.template = "of the future"
    with pytest.raises(MailFailed, match="no such template"):
        letter_of(mail)


def test_a_claim_outlives_the_sending() -> None:
    assert CLAIM_S >= SEND_S + 10
