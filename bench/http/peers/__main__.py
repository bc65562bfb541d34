"""python -m bench.http.peers NAME PORT"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import uvicorn

from app import telemetry
from app.settings import Settings
from app.wiring import Api, build_api
from bench.http.peers.bare import bare
from bench.http.peers.with_ariadne import ariadne
from bench.http.peers.with_strawberry import strawberry_stock

APPS: dict[str, Callable[[Api], Any]] = {"bare": bare, "strawberry_stock": strawberry_stock, "ariadne": ariadne}


def main(name: str, port: int) -> None:
    settings = Settings()
    telemetry.configure(telemetry.API, settings)
    app = APPS[name](build_api(settings))
    uvicorn.run(
        app, host="127.0.0.1", port=port, access_log=False, log_config=None, server_header=False, lifespan="off"
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
