"""One operation over HTTP, one subscription over one WebSocket, with credentials and trusted documents."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, Self

import httpx
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from .credentials import Credentials, Nobody
from .documents import Documents
from .errors import ConnectionLost, FabulaError, NotGraphQL, Unauthenticated, refusal
from .socket import subscription

TIMEOUT_S: Final = 40.0
"""Longer than the API lets a mutation take."""
ACCEPT: Final = "application/graphql-response+json, application/json"
UNAUTHORIZED: Final = (4401, 4403)
"""The server ends a connection with these when its token is refused, or has run out."""
TOKEN_REFUSED: Final = {"message": "The token is not accepted.", "extensions": {"code": "UNAUTHENTICATED"}}


class Transport:
    """`url` is the HTTP endpoint, for example `https://example.org/graphql`. `tenant` is for users of several tenants.

    An `http` client that is given stays the caller's to close. Close the rest with `aclose`, or use `async with`.
    """

    def __init__(
        self, url: str, *, credentials: Credentials | None = None, tenant: str | None = None,
        trusted_documents: bool = True, ws_url: str | None = None, http: httpx.AsyncClient | None = None,
    ) -> None:  # fmt: skip
        self._url = url
        self._ws_url = ws_url or url.replace("http", "ws", 1)
        self._credentials = credentials or Nobody()
        self._tenant = tenant
        self._documents = Documents(trusted_documents)
        self._own_http = None if http else httpx.AsyncClient(timeout=TIMEOUT_S)
        self._http = http or self._own_http or httpx.AsyncClient()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._own_http is not None:
            await self._own_http.aclose()

    def _sent(self, variables: dict[str, Any]) -> dict[str, Any]:
        return variables

    def _json(self, variables: dict[str, Any] | None) -> dict[str, Any]:
        sent = self._sent(variables or {})
        return {name: to_jsonable_python(_plain(value)) for name, value in sent.items()}

    # -- HTTP --------------------------------------------------------------------------------------------------------

    async def execute(
        self, query: str, operation_name: str, variables: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The data of an answer. Raises what `errors` lists."""
        prepared = self._json(variables)
        payload = self._documents.payload(operation_name, query, prepared)
        errors, answer, retry_after_s = await self._answer(payload)
        if errors and self._documents.is_unknown(payload, errors):
            errors, answer, retry_after_s = await self._answer(
                self._documents.payload(operation_name, query, prepared)
            )
        if errors:
            raise refusal(errors, retry_after_s)
        data: dict[str, Any] = answer["data"]
        return data

    def get_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """The generated operations ask for it; `execute` has read the answer already."""
        return data

    async def _answer(self, payload: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any], float | None]:
        """(errors, the whole answer, when to try again); a refused token is renewed once."""
        token = await self._credentials.token()
        response = await self._post(payload, token)
        if _is_unauthenticated(response) and await self._credentials.renew(token):
            response = await self._post(payload, await self._credentials.token())
        answer = _read(response)
        wait = response.headers.get("retry-after", "")
        return answer.get("errors") or [], answer, float(wait) if wait.isdecimal() else None

    async def _post(self, payload: dict[str, Any], token: str | None) -> httpx.Response:
        headers = {"accept": ACCEPT}
        if token:
            headers["authorization"] = f"Bearer {token}"
        if self._tenant:
            headers["x-tenant"] = self._tenant
        try:
            return await self._http.post(self._url, json=payload, headers=headers)
        except httpx.TransportError as error:
            raise ConnectionLost(str(error) or type(error).__name__) from error

    # -- WebSocket ---------------------------------------------------------------------------------------------------

    async def execute_ws(
        self, query: str, operation_name: str, variables: dict[str, Any] | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The data of each result of a subscription until it completes, over a connection of its own.

        Raises ConnectionLost when the connection drops; what resumes is `Fabula.watch_generation` and `watch_job`.
        """
        prepared = self._json(variables)
        payload = self._documents.payload(operation_name, query, prepared)
        renewed = False
        while True:
            token = await self._credentials.token()
            try:
                async with aclosing(subscription(self._ws_url, self._init(token), payload)) as results:
                    async for errors, data in results:
                        if errors:
                            if self._documents.is_unknown(payload, errors):
                                break
                            raise refusal(errors)
                        yield data
                    else:
                        return
                payload = self._documents.payload(operation_name, query, prepared)
            except (Unauthenticated, ConnectionLost) as error:
                if not _is_token_refused(error):
                    raise
                if renewed or not await self._credentials.renew(token):
                    raise refusal([TOKEN_REFUSED]) from error
                renewed = True

    def _init(self, token: str | None) -> dict[str, str]:
        init = {"authorization": f"Bearer {token}"} if token else {}
        return init | ({"tenant": self._tenant} if self._tenant else {})


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _read(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        raise NotGraphQL(response.status_code) from None
    if not isinstance(answer, dict) or not ("data" in answer or "errors" in answer):
        raise NotGraphQL(response.status_code)
    return answer


def _is_unauthenticated(response: httpx.Response) -> bool:
    if response.status_code == 401:
        return True
    if b'"UNAUTHENTICATED"' not in response.content:
        return False
    errors = _read(response).get("errors") or []
    return any((error.get("extensions") or {}).get("code") == "UNAUTHENTICATED" for error in errors)


def _is_token_refused(error: FabulaError) -> bool:
    return isinstance(error, Unauthenticated) or getattr(error, "close_code", None) in UNAUTHORIZED
