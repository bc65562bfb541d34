"""The servers that are compared over HTTP, each started alone as one process."""

from __future__ import annotations

import base64
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
from bench.node import node
from bench.streams.targets import TREE, Server, wait_for
from persistence.database import READ_POOL_SIZE
from schema.ids import decode_id

PRODUCT = {
    "fabula": {},
    "fabula_free_text": {},
    "fabula_stock_executor": {"FABULA_COMPILED_EXECUTION": "false", "FABULA_SQL_PLANS": "false"},
}
"""The product, and what it is told for each of its targets."""
PEERS = ("strawberry_stock", "ariadne", "bare")
NODE = Path(__file__).parent / "node"
NODE_PEERS = ("postgraphile", "mercurius_jit", "yoga")
"""Without authentication, cost and log: they look the tenant up in a table of tokens."""
TARGETS = (*PRODUCT, *PEERS, *NODE_PEERS)
ENDLESS = {"FABULA_COST_BUCKET_MAX": "1000000000", "FABULA_COST_RESTORED_PER_S": "1000000000"}
"""Every target takes its cost from a bucket; none is to find it empty."""


def answers(target: str, query: str) -> bool:
    """Whether a target knows a query: what computes is the product's own, and `bare` is written for the one."""
    return target in PRODUCT or (query == "projects" if target == "bare" else query != "computed")


def nodes(target: str, stage: Stage) -> list[str]:
    """The global ids of `stage.nodes`, as the target writes them."""
    if target != "postgraphile":
        return stage.nodes
    keys = [
        ["Project", str(author.tenant_id), str(decode_id("Project", node))]
        for author, node in zip(stage.authors, stage.nodes, strict=True)
    ]
    return [base64.b64encode(json.dumps(key, separators=(",", ":")).encode()).decode() for key in keys]


def node_packages(cache: Path) -> Path:
    return cache / "node_http"


def _program(target: str, port: int, cache: Path) -> list[str | Path]:
    if target in NODE_PEERS:
        place = node_packages(cache)
        return [node(place), place / f"{target}.mjs", str(port)]
    return [
        sys.executable,
        *(["-m", "app", "serve"] if target in PRODUCT else ["-m", "bench.http.peers", target, str(port)]),
    ]


def _changes(target: str, port: int, stage: Stage, cache: Path) -> dict[str, str]:
    if target in NODE_PEERS:
        told = {
            "databaseUrl": stage.settings.database_app_url.get_secret_value(),
            "poolSize": READ_POOL_SIZE,
            "tenants": {author.token: str(author.tenant_id) for author in stage.authors},
        }
        return {"BENCH_STAGE": json.dumps(told), "NODE_ENV": "production", "GRAPHILE_ENV": "production"}
    manifest = cache / "documents.json"
    manifest.write_text(json.dumps(documents()), encoding="utf-8")
    return {
        **stage.settings.as_variables(), **ENDLESS, **PRODUCT.get(target, {}),
        "FABULA_PORT": str(port), "FABULA_LOG_LEVEL": "WARNING", "FABULA_TRUSTED_DOCUMENTS": str(manifest),
    }  # fmt: skip


@contextmanager
def running(target: str, stage: Stage, cache: Path) -> Iterator[Server]:
    """Packages of Node peers are installed already."""
    port = pick_port()
    log = cache / f"http_{target}.log"
    with open_log(log) as output:
        since = output.tell()
        process = spawn(_program(target, port, cache), cwd=TREE, env=environment_with(_changes(target, port, stage, cache)),
                        output=output, death_signal=signal.SIGKILL)  # fmt: skip
        try:
            wait_for(process, port, lambda: tail(log, since=since))
            yield Server(process.pid, port)
        finally:
            end([(process, signal.SIGTERM)], 10.0)
