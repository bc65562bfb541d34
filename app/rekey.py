"""`channels rekey` seals every channel's key and webhook's secret anew with the first of FABULA_CHANNEL_KEYS.

Works as the application's role: DATABASE_APP_URL, or the server that `up` has started in the data directory.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.key_vault import AesKeyVault, WebhookVault
from app.explain import app_url
from app.settings import Settings
from domain.errors import Rejected
from domain.operations.webhooks import WebhookEndpoint, opened
from persistence.channels.store import tenants_with_sealed_keys
from persistence.database import OUTAGES, create_engine
from persistence.operations.store import tenants_with_endpoints
from persistence.unit_of_work import Units


def main(settings: Settings, args: argparse.Namespace) -> int:
    url = app_url(settings)
    if not url:
        print(f"fabula: channels needs DATABASE_APP_URL, or a running `up` in {settings.data_dir}", file=sys.stderr)
        return 2
    try:
        sealed, lost = asyncio.run(_rekey(url, settings))
    except (Rejected, *OUTAGES) as error:
        print(f"fabula: {error}", file=sys.stderr)
        return 1
    print(f"{sealed} sealed anew, {len(lost)} that no key opens")
    for name in lost:
        print(f"lost: {name}", file=sys.stderr)
    return 1 if lost else 0


async def _rekey(url: str, settings: Settings) -> tuple[int, list[str]]:
    """How many were sealed anew, and the names of channels and hosts of endpoints whose secret cannot be opened."""
    engine = create_engine(url, pool_size=0, application="fabula-rekey")
    try:
        # Keys that were stored before references alone were allowed still have to open.
        keys, lost_keys = await _channels(engine, AesKeyVault(settings.master_keys))
        secrets, lost_secrets = await _endpoints(engine, WebhookVault(settings.master_keys))
    finally:
        await engine.dispose()
    return keys + secrets, lost_keys + lost_secrets


async def _endpoints(engine: AsyncEngine, vault: WebhookVault) -> tuple[int, list[str]]:
    sealed, lost = 0, []
    for tenant_id in await tenants_with_endpoints(engine):
        async with Units(engine)(tenant_id) as uow:
            for one in await uow.webhooks.endpoints():
                try:
                    secret, previous = (_sealed_anew(one, each, vault) for each in (one.secret, one.previous_secret))
                except ValueError:
                    lost.append(f"{one.host} ({one.id})")
                    continue
                sealed += (secret, previous) != (one.secret, one.previous_secret)
                one.secret, one.previous_secret = secret or b"", previous
    return sealed, lost


def _sealed_anew(endpoint: WebhookEndpoint, secret: bytes | None, vault: WebhookVault) -> bytes | None:
    """Sealed with the first key. Raises ValueError when none opens it."""
    if secret is None or vault.current(secret):
        return secret
    return vault.seal(endpoint.tenant_id, endpoint.id, opened(vault, endpoint, secret))


async def _channels(engine: AsyncEngine, vault: AesKeyVault) -> tuple[int, list[str]]:
    sealed, lost = 0, []
    for tenant_id in await tenants_with_sealed_keys(engine):
        async with Units(engine)(tenant_id) as uow:
            for channel in await uow.channels.sealed():
                assert channel.sealed_key is not None
                try:
                    key = vault.open(tenant_id, channel.id, channel.sealed_key)
                except ValueError:
                    lost.append(f"{channel.name} ({channel.id})")
                    continue
                if not vault.current(channel.sealed_key):
                    channel.sealed_key = vault.seal(tenant_id, channel.id, key)
                    sealed += 1
    return sealed, lost
