"""The built web pages: the Studio at `/`, GraphiQL at `/graphiql`. Built assets are not in the repository."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.file_services import upload_origin
from app.settings import Settings

_FRONTEND = Path(__file__).resolve().parent.parent / "frontend_codegen"
IMMUTABLE = "public, max-age=31536000, immutable"
CSP = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "worker-src 'self' blob:; connect-src {connect}; frame-ancestors 'none'; base-uri 'self'"
)
_MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Fabula</title>
<body style="font: 16px/1.6 system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
<h1>Fabula is running</h1>
<p>This page has not been built. With Node 20.19 or newer, run <code>make ui</code> and reload.</p>
<p>The API is at <code>/graphql</code>.</p>
"""


class BuiltPages(StaticFiles):
    """Static files with deep links, build-time compression, and caching by name."""

    def __init__(self, directory: Path, headers: Mapping[str, str]) -> None:
        super().__init__(directory=directory, html=True)
        self._headers = headers

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await self._best(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or Path(path).suffix:
                raise
            path = "index.html"  # a deep link of the single-page app
            response = await self._best(path, scope)
        response.headers["cache-control"] = IMMUTABLE if path.startswith("assets/") else "no-cache"
        response.headers["vary"] = "accept-encoding"
        response.headers.update(self._headers)
        return response

    async def _best(self, path: str, scope: Scope) -> Response:
        wanted = Request(scope).headers.get("accept-encoding", "")
        for encoding, suffix in (("br", ".br"), ("gzip", ".gz")):
            if encoding in wanted and (found := self.lookup_path(path + suffix))[1] is not None:
                response = FileResponse(found[0], stat_result=found[1])
                response.headers["content-type"] = mimetypes.guess_type(path)[0] or "application/octet-stream"
                response.headers["content-encoding"] = encoding
                return response
        return await super().get_response(path, scope)


def page_headers(settings: Settings) -> dict[str, str]:
    """Pages speak with the API, and with the bucket that they send files to."""
    connect = ["'self'", "ws:", "wss:", upload_origin(settings)]
    return {
        "content-security-policy": CSP.format(connect=" ".join(filter(None, connect))),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
    }


def add_routes(app: FastAPI, settings: Settings) -> None:
    headers = page_headers(settings)
    if settings.dev:
        login = settings.data_dir / "demo.json"

        async def demo_login(_request: Request) -> Response:
            if not login.exists():
                return Response(status_code=404)
            kept = json.loads(login.read_text(encoding="utf-8"))
            return JSONResponse({"email": kept["email"], "password": kept["password"]}, headers=headers)

        app.add_route("/demo.json", demo_login, methods=["GET"])
        _add_pages(app, "/graphiql", _FRONTEND / "graphiql" / "dist", headers)
    _add_pages(app, "/", _FRONTEND / "studio" / "dist", headers)


def _add_pages(app: FastAPI, path: str, directory: Path, headers: Mapping[str, str]) -> None:
    if (directory / "index.html").exists():
        if path != "/":  # a built page refers to its assets from within its own folder

            async def slash(_request: Request) -> Response:
                return RedirectResponse(f"{path}/")

            app.add_route(path, slash, methods=["GET"])
        app.router.routes.append(Mount(path, BuiltPages(directory, headers)))
    else:

        async def missing(_request: Request) -> Response:
            return HTMLResponse(_MISSING, headers=headers)

        app.add_route(path, missing, methods=["GET"])
