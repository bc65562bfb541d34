"""Sending files as a client does."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx

from tests.graphql.clients import Person

NOVEL = b"# The Ferry\n\nThe ferry left before the fog did.\n"
PARTS = "id name mimeType size sha256 purpose url thumbnailUrl width height createdAt owner { id }"


async def begin(person: Person, name: str = "ferry.md", size: int = len(NOVEL), purpose: str = "KNOWLEDGE") -> Any:
    payload = await person.mutate(
        "uploadCreate", "upload { id url method headers expiresAt }", fileName=name, size=size, purpose=purpose
    )
    assert payload["userErrors"] == [], payload
    return payload["upload"]


async def send(person: Person, upload: Any, content: bytes) -> httpx.Response:
    """As the answer says, and without credentials."""
    return await person.site.http.request(upload["method"], upload["url"], content=content, headers=upload["headers"])


async def complete(person: Person, upload: Any, content: bytes) -> Any:
    digest = hashlib.sha256(content).hexdigest()
    return await person.mutate("uploadComplete", f"file {{ {PARTS} }}", uploadId=upload["id"], sha256=digest)


async def uploaded(
    person: Person, name: str = "ferry.md", content: bytes = NOVEL, purpose: str = "KNOWLEDGE"
) -> dict[str, Any]:
    upload = await begin(person, name, len(content), purpose)
    sent = await send(person, upload, content)
    assert sent.status_code == 204, sent.text
    payload = await complete(person, upload, content)
    assert payload["userErrors"] == [], payload
    file: dict[str, Any] = payload["file"]
    return file


async def refusal(person: Person, upload: Any, content: bytes) -> str:
    """The code with which an upload is not completed."""
    digest = hashlib.sha256(content).hexdigest()
    return (await person.refusal("uploadComplete", uploadId=upload["id"], sha256=digest))[0]


def answer(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an HTTP refusal."""
    return response.status_code, response.json()["code"]
