"""A real SMTP server on loopback, which answers as it is told and keeps what it accepted."""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword


@dataclass
class FakeMailServer:
    """`async with FakeMailServer() as server:` listens at `server.url` until the block ends.

    `recipients` and `contents` are the answers to the next RCPT and DATA commands, in turn; then everything is taken.
    """

    password: str | None = None
    recipients: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    accepted: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        login = f"fabula:{self.password}@" if self.password is not None else ""
        return f"smtp://{login}127.0.0.1:{self.port}"

    async def handle_RCPT(
        self, _server: SMTP, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.recipients:
            return self.recipients.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:
        if self.contents:
            return self.contents.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        self.accepted.append(message_from_bytes(content, policy=policy.default))
        self.envelopes.append(envelope)
        self.arrived.set()
        return "250 OK"

    def _sign_in(
        self, _server: SMTP, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        good = data == LoginPassword(b"fabula", (self.password or "").encode())
        return AuthResult(success=good, handled=False)

    def _protocol(self) -> SMTP:
        with warnings.catch_warnings(action="ignore"):  # that passwords need TLS
            return SMTP(
                self, loop=asyncio.get_running_loop(), enable_SMTPUTF8=True, authenticator=self._sign_in,
                auth_required=self.password is not None, auth_require_tls=False,
            )  # fmt: skip

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(self._protocol, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
