"""Files through the API: announced, sent over HTTP, completed, fetched."""

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


async def test_what_was_sent_is_what_is_fetched(alice: Person) -> None:
    file = await uploaded(alice)
    assert (file["name"], file["mimeType"], file["size"]) == ("ferry.md", "text/markdown", len(NOVEL))
    assert (file["sha256"], file["thumbnailUrl"]) == (hashlib.sha256(NOVEL).hexdigest(), None)
    fetched = await alice.site.http.get(file["url"])
    assert (fetched.status_code, fetched.content) == (200, NOVEL)
