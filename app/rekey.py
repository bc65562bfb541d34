"""`channels rekey` seals every channel's key anew with the first of FABULA_CHANNEL_KEYS.

Works as the application's role: DATABASE_APP_URL, or the server that `up` has started in the data directory.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.key_vault import AesKeyVault
from app.channels import vault_of
from app.explain import app_url
from app.settings import Settings
from domain.errors import Rejected
from persistence.channels.store import tenants_with_sealed_keys
from persistence.database import OUTAGES, create_engine
from persistence.unit_of_work import Units


def main(settings: Settings, args: argparse.Namespace) -> int:
    url = app_url(settings)
    if not url:
        print(f"fabula: channels needs DATABASE_APP_URL, or a running `up` in {settings.data_dir}", file=sys.stderr)
        return 2
    try:
        sealed, lost = asyncio.run(_rekey(url, vault_of(settings)))
    except (Rejected, *OUTAGES) as error:
        print(f"fabula: {error}", file=sys.stderr)
        return 1
    print(f"{sealed} sealed anew, {len(lost)} that no key opens")
    for name in lost:
        print(f"lost: {name}", file=sys.stderr)
    return 1 if lost else 0


async def _rekey(url: str, vault: AesKeyVault) -> tuple[int, list[str]]:
    """How many were sealed anew, and the names of channels whose key cannot be opened."""
    engine = create_engine(url, pool_size=0, application="fabula-rekey")
    try:
        return await _all_tenants(engine, vault)
    finally:
        await engine.dispose()


async def _all_tenants(engine: AsyncEngine, vault: AesKeyVault) -> tuple[int, list[str]]:
    sealed, lost = 0, []
    for tenant_id in await tenants_with_sealed_keys(engine):
        async with Units(engine)(tenant_id) as uow:
            for channel in await uow.channels.sealed():
                assert channel.sealed_key is not None
                if vault.current(channel.sealed_key):
                    continue
                try:
                    key = vault.open(tenant_id, channel.id, channel.sealed_key)
                except ValueError:
                    lost.append(f"{channel.name} ({channel.id})")
                    continue
                channel.sealed_key = vault.seal(tenant_id, channel.id, key)
                sealed += 1
    return sealed, lost
