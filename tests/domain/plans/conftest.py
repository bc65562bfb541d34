"""A tenant that plans are offered to."""

from __future__ import annotations

import pytest

from tests.domain.plans.desk import Desk
from tests.domain.world import World


@pytest.fixture
async def desk(world: World) -> Desk:
    return await Desk(world).opened()
