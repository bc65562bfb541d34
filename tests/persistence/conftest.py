"""What the persistence ring needs beyond the shared parts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.settings import Settings
from persistence.database import Database, create_engine


@pytest.fixture(scope="module")
async def admin(settings: Settings) -> AsyncIterator[Database]:
    """As the migrator, who sees through row security: for looking, and for planting defects."""
    found = Database(create_engine(settings.database_url.get_secret_value(), pool_size=2))
    yield found
    await found.close()
