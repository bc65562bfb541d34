"""Two tenants who have never heard of each other, and what several modules stand on."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.graphql.client_apps import CREATE, SHELF, App, new_app
from tests.graphql.clients import Person, Site


@pytest.fixture(scope="module")
async def alice(site: Site) -> Person:
    return await site.tenant()


@pytest.fixture(scope="module")
async def bob(site: Site) -> Person:
    return await site.tenant()


@pytest.fixture(scope="module")
async def platform(site: Site) -> Person:
    """A platform administrator, in a tenant without credit."""
    return await site.tenant(credit_micros=0, platform_admin=True)


@pytest.fixture(scope="module")
async def app(alice: Person) -> App:
    """A third party's: it may send these two and nothing else."""
    one = await new_app(alice, mode="REQUIRE")
    assert await one.register(SHELF, CREATE) == {"registered": 2, "rejected": [], "userErrors": []}
    return one


@pytest.fixture(scope="module")
def burial() -> Iterator[None]:
    """What a module's tests leave to the garbage collector is that module's."""
    yield
    gc.collect()
