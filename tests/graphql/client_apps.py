"""A client application as its owner makes it, and what it sends: documents by their hashes, or text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import httpx

from tests.graphql.clients import Person

SHELF = "query Shelf { projects { edges { node { title } } } }"
CREATE = "mutation Create($t: String!) { projectCreate(input: {title: $t}) { project { title } } }"
NOT_FOUND = "PERSISTED_DOCUMENT_NOT_FOUND"
PREFLIGHT = {"x-fabula-preflight": "1"}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def id_of(text: str) -> str:
    return f"sha256:{sha(text)}"


def persisted(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": sha(text)}}


@dataclass
class App:
    """A client application, the person who runs it, and a token of it."""

    owner: Person
    id: str
    client: Person

    async def send(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        headers = {"authorization": self.client.authorization, **headers}
        return await self.client.site.http.post("/graphql", json=body, headers=headers)

    async def get(self, **parameters: Any) -> httpx.Response:
        headers = {"authorization": self.client.authorization, **PREFLIGHT, **parameters.pop("headers", {})}
        return await self.client.site.http.get("/graphql", params=parameters, headers=headers)

    async def register(self, *texts: str) -> Any:
        documents = [{"hash": id_of(text), "text": text} for text in texts]
        return await self.owner.mutate(
            "trustedDocumentsRegister", "registered rejected { hash reason }", clientAppId=self.id, documents=documents
        )

    async def documents(self) -> list[dict[str, Any]]:
        query = """query ($id: ID!) { node(id: $id) { ... on ClientApp { documents(first: 100) { edges { node {
            id hash name text cost scopes useCount registeredAt firstUsedAt lastUsedAt retiredAt } } } } } }"""
        return [one["node"] for one in (await self.owner(query, id=self.id))["documents"]["edges"]]


async def new_app(owner: Person, token_scopes: tuple[str, ...] = ("read", "write"), **values: Any) -> App:
    made = await owner.mutate("clientAppCreate", "clientApp { id }", **{"name": "Reader", **values})
    app_id = made["clientApp"]["id"]
    made = await owner.mutate("apiTokenCreate", "token", name="key", scopes=list(token_scopes), clientAppId=app_id)
    return App(owner, app_id, owner.with_token(made["token"]))


def codes(response: httpx.Response) -> list[str]:
    body = response.json()
    assert "data" not in body, body
    return [error["extensions"]["code"] for error in body["errors"]]
