"""The servers that are compared over HTTP, each started alone as one process."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.embedded.process import end, open_log, pick_port, spawn, tail
from app.settings import environment_with
from bench.http.queries import documents
from bench.http.stage import Stage
from bench.streams.targets import TREE, Server, wait_for

PRODUCT = {
    "fabula": {},
    "fabula_free_text": {},
    "fabula_stock_executor": {"FABULA_COMPILED_EXECUTION": "false", "FABULA_SQL_PLANS": "false"},
}
"""The product, and what it is told for each of its targets."""
PEERS = ("strawberry_stock", "ariadne", "bare")
TARGETS = (*PRODUCT, *PEERS)
ENDLESS = {"FABULA_COST_BUCKET_MAX": "1000000000", "FABULA_COST_RESTORED_PER_S": "1000000000"}
"""Every target takes its cost from a bucket; none is to find it empty."""


def answers(target: str, query: str) -> bool:
    """Whether a target knows a query: what computes is the product's own, and `bare` is written for the one."""
    return target in PRODUCT or (query == "projects" if target == "bare" else query != "computed")


@contextmanager
def running(target: str, stage: Stage, cache: Path) -> Iterator[Server]:
    port = pick_port()
    manifest = cache / "documents.json"
    manifest.write_text(json.dumps(documents()), encoding="utf-8")
    changes = {
        **stage.settings.as_variables(), **ENDLESS, **PRODUCT.get(target, {}),
        "FABULA_PORT": str(port), "FABULA_LOG_LEVEL": "WARNING", "FABULA_TRUSTED_DOCUMENTS": str(manifest),
    }  # fmt: skip
    program = ["-m", "app", "serve"] if target in PRODUCT else ["-m", "bench.http.peers", target, str(port)]
    log = cache / f"http_{target}.log"
    with open_log(log) as output:
        since = output.tell()
        process = spawn([sys.executable, *program], cwd=TREE, env=environment_with(changes), output=output,
                        death_signal=signal.SIGKILL)  # fmt: skip
        try:
            wait_for(process, port, lambda: tail(log, since=since))
            yield Server(process.pid, port)
        finally:
            end([(process, signal.SIGTERM)], 10.0)
