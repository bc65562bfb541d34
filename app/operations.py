"""What operators ask: alive, ready, which version, metrics."""

from __future__ import annotations

import asyncio
import contextlib
import tomllib
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.origins import LOOPBACK
from app.settings import Settings
from app.wiring import Api
from persistence.database import OUTAGES
from persistence.jobs.reads import job_counts
from persistence.weaviate.failures import IndexFailed
from persistence.weaviate.store import WeaviateStore

CHECK_S = 2.0
_jobs = Gauge("fabula_jobs", "Jobs that have not ended, over all tenants.", ["queue", "state"])
_TREE = Path(__file__).resolve().parent.parent


def version() -> str:
    return str(tomllib.loads((_TREE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def add_routes(app: FastAPI, settings: Settings, api: Api) -> None:
    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        checks = await readiness(api)
        ready = all(one["ok"] for one in checks.values())
        return _json({"ready": ready, "checks": checks}, 200 if ready else 503)

    async def show_version(_request: Request) -> Response:
        return _json({"version": version()}, 200)

    async def metrics(request: Request) -> Response:
        if request.client is None or request.client.host not in LOOPBACK:
            return PlainTextResponse("Metrics are for this machine.\n", 403)
        await count_jobs(api)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    for path, handler in (
        ("/healthz", healthz), ("/readyz", readyz), ("/version", show_version), ("/metrics", metrics),
    ):  # fmt: skip
        app.add_route(path, handler, methods=["GET"])


async def count_jobs(api: Api) -> None:
    """Look at scrape time: the numbers are the database's, whichever process is asked."""
    with contextlib.suppress(*OUTAGES):
        rows = await api.database.platform_rows(job_counts())
        _jobs.clear()
        for row in rows:
            _jobs.labels(row.queue, row.state).set(row.jobs)


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


async def readiness(api: Api) -> dict[str, dict[str, Any]]:
    """Each dependency by name. Search that must do without its index is worth a word, not a refusal."""
    names = ("postgres", "redis")
    results = await asyncio.gather(_checked(api.database.ping()), _checked(api.redis.ping()))
    checks = dict(zip(names, results, strict=True))
    if checks["postgres"]["ok"]:
        checks["search"] = {"ok": True, "indexed": await _search_is_indexed(api)}
    if api.search_index is not None:
        checks["weaviate"] = await _index_answers(api.search_index)
    return checks


async def _index_answers(index: WeaviateStore) -> dict[str, Any]:
    """While it is away, PostgreSQL searches."""
    try:
        async with asyncio.timeout(CHECK_S):
            return {"ok": True, "answers": True, "version": await index.link.ping()}
    except (IndexFailed, TimeoutError) as error:
        return {"ok": True, "answers": False, "error": type(error).__name__}


async def _checked(check: Any) -> dict[str, Any]:
    try:
        async with asyncio.timeout(CHECK_S):
            await check
    except Exception as error:  # noqa: BLE001 - whatever it is, the dependency is not ready
        return {"ok": False, "error": type(error).__name__}
    return {"ok": True}


async def _search_is_indexed(api: Api) -> bool:
    rows = await api.database.platform_rows(
        text("select proleakproof from pg_proc where oid = 'pg_catalog.ts_match_vq(tsvector, tsquery)'::regprocedure")
    )
    return bool(rows[0].proleakproof)
