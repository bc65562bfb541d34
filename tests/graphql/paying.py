"""What tests of payments share: a site that is paid through a local Stripe, and what is asked of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text

from app.settings import Settings
from persistence.database import Database
from tests.conftest import opened_site
from tests.fakes.stripe_server import API_KEY, WEBHOOK_SECRET, FakeStripe
from tests.graphql.clients import Person, Site

PAID = """entry { id kind reference } wallet { available { amount } }
payment { id state checkoutUrl failureCode externalId amount { amount } }"""
PAYMENTS = """{ payments { edges { node { id state purpose failureCode entry { id } amount { amount } refunded { amount }
  refunds { state origin reason amount { amount } taken { amount } } } } } }"""
METHODS = "{ paymentMethods { id brand last4 isDefault } }"
ENTRIES = "{ ledgerEntries { edges { node { kind reference } } } }"
WALLET = "{ wallet { available { amount } } }"
TOLD = "{ notifications { edges { node { kind } } } }"


@contextlib.asynccontextmanager
async def paid_through(stripe: FakeStripe, settings: Settings) -> AsyncIterator[Site]:
    values = {
        "stripe_secret_key": SecretStr(API_KEY),
        "stripe_webhook_secret": SecretStr(WEBHOOK_SECRET),
        "stripe_api_url": stripe.url,
    }
    async with opened_site(settings.model_copy(update=values)) as one:
        yield one


async def with_card(person: Person, site: Site, stripe: FakeStripe) -> Person:
    """Pays 10.00 at the page once, so that a card is saved; then Stripe's books are empty again."""
    await top_up(person, key="first")
    stripe.pay_page(next(iter(stripe.sessions)))
    await stripe.tell_all(site.url)
    stripe.requests.clear()
    stripe.intents.clear()
    return person


async def top_up(person: Person, amount: str = "10.00", key: str = "k") -> Any:
    return await person.mutate("creditTopUp", PAID, amount=amount, idempotencyKey=key)


async def payments(person: Person) -> list[Any]:
    return [edge["node"] for edge in (await person(PAYMENTS))["edges"]]


async def entries(person: Person) -> list[Any]:
    return [edge["node"] for edge in (await person(ENTRIES))["edges"]]


async def told(person: Person) -> list[str]:
    return [edge["node"]["kind"] for edge in (await person(TOLD))["edges"]]


def units(money: Any) -> Any:
    """A sum of money, to be compared with whole units."""
    return Decimal(money["amount"])


async def available(person: Person) -> Any:
    return units((await person(WALLET))["available"])


async def left_alone(admin: Database, person: Person, minutes: int = 11) -> None:
    """Time passes for what is pending."""
    for table in ("payments", "payment_refunds"):
        statement = (
            f"update app.{table} set created_at = created_at - interval '{minutes} minutes' where tenant_id = :t"
        )
        async with admin.engine.begin() as connection:
            await connection.execute(text(statement), {"t": person.tenant_id})
