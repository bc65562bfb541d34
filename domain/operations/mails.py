"""Mail: a row in the transaction that has something to tell, sent afterwards.

A row is claimed for CLAIM_S, which is longer than sending may take, so that no two processes send it at once. Who dies
between sending and saying so leaves a claim that runs out: the mail goes again under the same Message-ID.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from domain.accounts import User
from domain.errors import DomainError
from domain.ids import MailId, TenantId, new_id
from domain.operations.mail_texts import MailTemplate, text_of

SEND_S = 30.0
CLAIM_S = 60.0
BACKOFF_S = (60.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 43_200.0, 86_400.0)
"""Between one try and the next."""
ATTEMPTS_MAX = len(BACKOFF_S) + 1
ERROR_CHARS_MAX = 500


class MailState(StrEnum):
    QUEUED = "QUEUED"
    SENT = "SENT"
    DEAD = "DEAD"


@dataclass(eq=False)
class Mail:
    """`attempts` counts claims. A queued mail is due at `next_try_at`."""

    tenant_id: TenantId
    id: MailId
    recipient: str
    locale: str
    template: str
    params: dict[str, str] = field(default_factory=dict)
    state: str = MailState.QUEUED
    attempts: int = 0
    next_try_at: datetime | None = None
    last_error: str | None = None
    created_at: datetime | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail in words: plain text."""

    id: MailId
    recipient: str
    subject: str
    body: str


class MailFailed(DomainError):
    """The server did not take a letter. `retryable`: it may take it later."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class Mailer(Protocol):
    """Hands letters to a mail server."""

    async def send(self, letter: Letter) -> None:
        """Raises MailFailed, within SEND_S. The Message-ID is made of the letter's id."""
        ...


class MailStore(Protocol):
    """The mails room of a unit of work."""

    async def add(self, mail: Mail) -> None: ...
    async def claim(self, mail_id: MailId, claim_s: float) -> Mail | None:
        """A due mail, counted as tried and not due again for so long; None when it is not due."""
        ...

    async def settle(self, mail: Mail, state: MailState, error: str | None, retry_s: float) -> None:
        """Say what came of a claimed mail; nothing happens when somebody else has claimed it since."""
        ...


class MailRooms(Protocol):
    """As much of a unit of work as writing a mail needs."""

    @property
    def tenant_id(self) -> TenantId: ...
    @property
    def now(self) -> datetime: ...
    @property
    def mails(self) -> MailStore: ...


async def write_mail(uow: MailRooms, to: User, template: MailTemplate, params: Mapping[str, str]) -> None:
    """Have a mail sent once this transaction commits, in the user's language."""
    text_of(template, to.locale, params)  # raises KeyError for a parameter that is missing
    mail = Mail(
        uow.tenant_id, MailId(new_id()), to.email, to.locale, template, dict(params), next_try_at=uow.now,
        created_at=uow.now,
    )  # fmt: skip
    await uow.mails.add(mail)


def letter_of(mail: Mail) -> Letter:
    """Raises MailFailed for a mail that nobody can put in words, or that was claimed too often to be sent."""
    if mail.attempts > ATTEMPTS_MAX:
        raise MailFailed("given up: whoever tries to send it dies", retryable=False)
    try:
        template = MailTemplate(mail.template)
    except ValueError:
        raise MailFailed(f"no such template: {mail.template}", retryable=False) from None
    subject, body = text_of(template, mail.locale, mail.params)
    return Letter(mail.id, mail.recipient, subject, body)


async def settle(store: MailStore, mail: Mail, failure: MailFailed | None) -> MailState:
    """Close a claimed mail, or let it wait for its next try."""
    if failure is None:
        state, retry_s = MailState.SENT, 0.0
    elif failure.retryable and mail.attempts < ATTEMPTS_MAX:
        state, retry_s = MailState.QUEUED, BACKOFF_S[mail.attempts - 1]
    else:
        state, retry_s = MailState.DEAD, 0.0
    await store.settle(mail, state, str(failure)[:ERROR_CHARS_MAX] if failure is not None else None, retry_s)
    return state
