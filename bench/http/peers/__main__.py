"""python -m bench.http.peers NAME PORT"""

from __future__ import annotations

import sys
from importlib import import_module

import uvicorn

from app import telemetry
from app.settings import Settings
from app.wiring import build_api
from bench.http.peers.walls import guarded

MODULES = {"bare": "bare", "strawberry_stock": "with_strawberry", "ariadne": "with_ariadne"}
"""A process imports its own peer only; each has an `application`."""


def main(name: str, port: int) -> None:
    settings = Settings()
    telemetry.configure(telemetry.API, settings)
    api = build_api(settings)
    app = guarded(import_module(f"bench.http.peers.{MODULES[name]}").application(api), api)
    uvicorn.run(
        app, host="127.0.0.1", port=port, access_log=False, log_config=None, server_header=False, lifespan="off"
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
