"""Mail servers over SMTP, and what stands in for one where none is configured.

`smtp://` uses TLS where the server offers it, and insists on it before it shows credentials to another machine;
`smtps://` begins with TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Any
from urllib.parse import unquote, urlsplit

from domain.operations.mails import SEND_S, Letter, Mailer, MailFailed

QUIT_S = 2.0
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})

logger = logging.getLogger(__name__)


def mailer_for(url: str, sender: str) -> Mailer:
    """`url` such as smtp://user:password@host:587, or empty; `sender` such as `Fabula <mail@example.org>`."""
    return SmtpMailer(url, sender) if url else LogMailer()


class LogMailer:
    """Implements `Mailer` by a line in the log. A mail's text may be for its reader alone: it is left out."""

    async def send(self, letter: Letter) -> None:
        logger.info("no mail server: %s is not told %r", letter.recipient, letter.subject)


class SmtpMailer:
    """Implements `Mailer`, with a connection for each letter."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        name, address = parseaddr(sender)
        self._from = Address(name, addr_spec=address)
        self._server: dict[str, Any] = {
            "hostname": host,
            "port": parts.port,
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "use_tls": parts.scheme == "smtps",
            "start_tls": True if parts.scheme == "smtp" and parts.username and host not in _THIS_MACHINE else None,
            "timeout": SEND_S,
        }

    async def send(self, letter: Letter) -> None:
        import aiosmtplib

        client = aiosmtplib.SMTP(**self._server)
        try:
            async with asyncio.timeout(SEND_S):
                await client.connect()
                await client.send_message(self._message(letter), recipients=[letter.recipient])
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):  # the letter is theirs already
                async with asyncio.timeout(QUIT_S):
                    await client.quit()
        except aiosmtplib.SMTPRecipientsRefused as error:
            refusal = error.recipients[0]
            raise MailFailed(f"{refusal.code} {refusal.message}", retryable=refusal.code < 500) from None
        except aiosmtplib.SMTPDataError as error:
            raise MailFailed(f"{error.code} {error.message}", retryable=error.code < 500) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise MailFailed(f"{type(error).__name__}: {error}", retryable=True) from None
        finally:
            client.close()

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = self._from
        try:
            message["To"] = Address(addr_spec=letter.recipient)
        except (ValueError, HeaderParseError) as error:
            raise MailFailed(f"no address: {error}", retryable=False) from None
        message["Date"] = datetime.now(UTC)
        message["Subject"] = letter.subject
        message["Message-ID"] = f"<{letter.id}@{self._from.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.body)
        return message
