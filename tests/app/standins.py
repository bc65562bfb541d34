"""Stand-ins for the product's programs, so that supervision is tested by itself.

    python standins.py up --data-dir DIR ...     the real supervisor over the stand-ins
    python standins.py api|worker|relay|migrate|demo

The environment chooses misbehaviour: STANDIN_CRASHES names a part that fails at its start, STANDIN_DEAF one that
ignores SIGTERM, STANDIN_SLOW_STEP makes `migrate` wait for ever.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

DEMO = {"email": "demo@fabula.example", "password": "a password", "token": "a.token", "tenantId": "VGVuYW50OjE="}
NEEDED = ("DATABASE_URL", "DATABASE_APP_URL", "DATABASE_RELAY_URL", "REDIS_URL", "BROKER_URL", "FABULA_SECRET")


class _Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # the base class's name
        pass


def _sleep_for_ever() -> NoReturn:
    while True:
        time.sleep(3600)


def _worker() -> NoReturn:
    """With a child of its own, as a pool of processes would have, which knows nothing of death signals."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    _sleep_for_ever()


def _run(part: str) -> int:
    if os.environ.get("STANDIN_CRASHES") == part:
        print(f"{part} cannot find its pen", file=sys.stderr)
        return 3
    if os.environ.get("STANDIN_DEAF") == part:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    match part:
        case "api":
            ThreadingHTTPServer(("127.0.0.1", int(os.environ["FABULA_PORT"])), _Api).serve_forever()
        case "worker":
            _worker()
        case "relay":
            _sleep_for_ever()
        case "migrate":
            if os.environ.get("STANDIN_SLOW_STEP"):
                _sleep_for_ever()
            return 0 if all(os.environ.get(name) for name in NEEDED) else 4
        case "demo":
            print("a line for people")
            print(json.dumps(DEMO))
    return 0


def _up(arguments: list[str]) -> int:
    from app.cli import parser
    from app.settings import Settings
    from app.supervisor import Programs, main

    parts = ("migrate", "api", "worker", "relay", "demo")
    programs = Programs(*((sys.executable, str(Path(__file__).resolve()), part) for part in parts))
    return main(Settings.read(), parser().parse_args(["up", *arguments]), programs)


if __name__ == "__main__":
    sys.exit(_up(sys.argv[2:]) if sys.argv[1] == "up" else _run(sys.argv[1]))
