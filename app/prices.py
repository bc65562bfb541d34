"""`prices import FILE` adds the new prices of a list: all of it, or nothing.

Works as the application's role: DATABASE_APP_URL, or the server that `up` has started in the data directory.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from adapters.price_lists import parse_prices
from app.explain import app_url
from app.settings import Settings
from domain.billing.price_list import PriceFormat
from domain.billing.prices import Imported, PricesRefused
from domain.billing.service import import_prices
from domain.errors import Rejected
from domain.ids import TenantId, new_id
from persistence.database import OUTAGES, create_engine
from persistence.unit_of_work import Units


def main(settings: Settings, args: argparse.Namespace) -> int:
    url = app_url(settings)
    if not url:
        print(f"fabula: prices needs DATABASE_APP_URL, or a running `up` in {settings.data_dir}", file=sys.stderr)
        return 2
    try:
        content = parse_prices(args.file.read_text(encoding="utf-8"), _format_of(args.file))
        done = asyncio.run(_import(url, content))
    except (OSError, UnicodeDecodeError) as error:
        print(f"fabula: {args.file}: {error}", file=sys.stderr)
    except PricesRefused as refusal:
        print(f"fabula: nothing was imported from {args.file}\n{refusal}", file=sys.stderr)
    except (Rejected, *OUTAGES) as error:
        print(f"fabula: {error}", file=sys.stderr)
    else:
        print(f"{done.added} new, {done.unchanged} as they were")
        return 0
    return 1


def _format_of(path: Path) -> PriceFormat:
    return PriceFormat.JSON if path.suffix.lower() == ".json" else PriceFormat.YAML


async def _import(url: str, content: object) -> Imported:
    engine = create_engine(url, pool_size=0, application="fabula-prices")
    try:
        async with Units(engine)(TenantId(new_id())) as uow:  # prices belong to no tenant: any will do
            return await import_prices(uow.billing, content)
    finally:
        await engine.dispose()
