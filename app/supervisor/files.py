"""What `up` keeps in its data directory: secrets, and the file that says where everything is."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.embedded.process import write_private


@dataclass(frozen=True)
class Secrets:
    """Made once for a data directory, kept in a file only its owner can read."""

    secret: str = field(repr=False)
    app_password: str = field(repr=False)
    relay_password: str = field(repr=False)
    channel_key: str = field(repr=False)


def keep_secrets(path: Path) -> Secrets:
    """Read them, or make them on first use. A damaged file is an error: new ones would end every session."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {name: secrets.token_urlsafe(36) for name in ("secret", "app_password", "relay_password")}
    if "channel_key" not in known:
        known["channel_key"] = base64.b64encode(secrets.token_bytes(32)).decode()
        write_private(path, json.dumps(known))
    return Secrets(known["secret"], known["app_password"], known["relay_password"], known["channel_key"])


@dataclass(frozen=True)
class Demo:
    """What `demo --json` printed: the demo tenant's login."""

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    tenant_id: str

    @classmethod
    def parse(cls, output: str) -> Demo:
        """From the last line of the command's output. Raises ValueError."""
        try:
            line = json.loads(output.strip().splitlines()[-1])
            return cls(line["email"], line["password"], line["token"], line["tenantId"])
        except (IndexError, KeyError, TypeError) as error:
            raise ValueError(f"no login in what the demo command printed ({error!r})") from None


@dataclass(frozen=True)
class Pids:
    """Process ids; None for a server that is not ours."""

    supervisor: int
    api: Sequence[int]
    worker: Sequence[int]
    relay: Sequence[int]
    postgres: int | None
    valkey: int | None


@dataclass(frozen=True)
class Ready:
    """The ready file's content. `database_url` is the application role's."""

    url: str
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    demo: Demo | None

    def write(self, path: Path, pids: Pids) -> None:
        """Put the file in place whole, mode 0600."""
        demo = self.demo
        document = {
            "url": self.url,
            "graphqlUrl": f"{self.url}/graphql",
            "graphqlWsUrl": f"ws{self.url.removeprefix('http')}/graphql",
            "token": demo.token if demo else None,
            "tenantId": demo.tenant_id if demo else None,
            "login": {"email": demo.email, "password": demo.password} if demo else None,
            "databaseUrl": self.database_url,
            "redisUrl": self.redis_url,
            "pids": asdict(pids),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, json.dumps(document, indent=2) + "\n")
