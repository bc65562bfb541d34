"""The pure ring: no I/O, two seconds. Its properties try the same bounded examples on every run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.domain.memory import MemoryUnitOfWork
from tests.domain.world import World

settings.register_profile(
    "domain",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("domain")


@pytest.fixture
def uow() -> MemoryUnitOfWork:
    return MemoryUnitOfWork()


@pytest.fixture
def world() -> World:
    return World(MemoryUnitOfWork())
