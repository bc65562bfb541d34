"""Any fake as a program of its own."""

from __future__ import annotations

import argparse
import asyncio
import signal
from dataclasses import fields

from tests.fakes.behaviour import Behaviour
from tests.fakes.wire import FakeProvider


def main(kind: type[FakeProvider], name: str) -> None:
    """Serves until SIGINT or SIGTERM. The first line of the output is the base URL."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.fakes.{name}", description=kind.__doc__)
    parser.add_argument("--port", type=int, default=0)
    for item in fields(Behaviour):
        default = 200 if item.name == "tokens" else item.default
        parser.add_argument(f"--{item.name.replace('_', '-')}", type=type(item.default), default=default)
    options = vars(parser.parse_args())
    port = options.pop("port")
    asyncio.run(_serve(kind(Behaviour().overridden(options), port=port)))


async def _serve(fake: FakeProvider) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with fake:
        print(fake.base_url, flush=True)
        await stop.wait()
