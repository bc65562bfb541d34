"""One running product for all fault tests, a provider that obeys, and the table of what was measured."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.faults.author import Author
from tests.faults.figures import MEASURED
from tests.faults.product import Product
from tests.faults.provider import Provider


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not MEASURED:
        return
    terminalreporter.section(f"measured (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
    width = max(len(what) for what, _ in MEASURED)
    for what, value in MEASURED:
        terminalreporter.line(f"{what:<{width}}  {value}")


@pytest.fixture(scope="session")
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as fake:
        yield fake


@pytest.fixture(scope="session")
async def running(provider: Provider) -> AsyncIterator[Product]:
    product = Product(**provider.settings, FABULA_STARTING_CREDIT_MICROS="1000000000")
    try:
        await product.started()
        yield product
    finally:
        await asyncio.to_thread(product.stop)


@pytest.fixture
async def product(running: Product) -> Product:
    """The running product, whole again after the test before."""
    await running.recovered()
    return running


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    # A kept connection may belong to a process that a test has killed.
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=30, trust_env=False, limits=limits) as client:
        yield client


@pytest.fixture(scope="session")
async def author(running: Product, http: httpx.AsyncClient) -> Author:
    return Author.demo(running, http)


@pytest.fixture(scope="session")
async def neighbour(running: Product, http: httpx.AsyncClient) -> Author:
    """The author of another tenant."""
    return await Author.newcomer(running, http)
