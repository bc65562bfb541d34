"""Two tenants who have never heard of each other."""

from __future__ import annotations

import pytest

from tests.graphql.clients import Person, Site


@pytest.fixture(scope="module")
async def alice(site: Site) -> Person:
    return await site.tenant()


@pytest.fixture(scope="module")
async def bob(site: Site) -> Person:
    return await site.tenant()
