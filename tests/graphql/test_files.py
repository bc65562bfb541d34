"""Files through the API: announced, sent over HTTP, completed, fetched."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from app.file_links import Leave, Link, SignedFileLinks
from app.settings import Settings
from domain.accounts import Role
from domain.files.entities import FileRules
from domain.ids import FileId, new_id
from schema.ids import decode_id
from tests import file_samples as samples
from tests.conftest import opened_site
from tests.domain.memory.files import MemoryBlobs
from tests.fakes.s3_server import s3_bucket
from tests.graphql.clients import Person
from tests.graphql.uploading import NOVEL, answer, begin, complete, refusal, send, uploaded


async def test_what_was_sent_is_what_is_fetched(alice: Person) -> None:
    file = await uploaded(alice)
    assert (file["name"], file["mimeType"], file["size"]) == ("ferry.md", "text/markdown", len(NOVEL))
    assert (file["sha256"], file["thumbnailUrl"]) == (hashlib.sha256(NOVEL).hexdigest(), None)
    fetched = await alice.site.http.get(file["url"])
    assert (fetched.status_code, fetched.content) == (200, NOVEL)


# -- beginning -------------------------------------------------------------------------------------------------------


async def test_the_answer_says_how_to_send_the_bytes(alice: Person) -> None:
    upload = await begin(alice)
    assert (upload["method"], upload["headers"]) == ("PUT", {"content-type": "application/octet-stream"})
    assert upload["url"].startswith("/uploads/")
    left = datetime.fromisoformat(upload["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)


async def test_addresses_are_absolute_where_the_site_has_a_public_one(settings: Settings) -> None:
    public = settings.model_copy(update={"public_url": "https://novels.example.org/"})
    async with opened_site(public) as site:
        person = await site.tenant()
        assert (await begin(person))["url"].startswith("https://novels.example.org/uploads/")
    links = SignedFileLinks("s" * 32, "https://novels.example.org", MemoryBlobs(), FileRules())
    url = links.download(person.tenant_id, FileId(new_id()), datetime.now(UTC))
    assert url.startswith("https://novels.example.org/files/")


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"fileName": "../../etc/passwd"}, "INVALID_CHARACTERS", "fileName"),
        ({"fileName": "..\\novel.txt"}, "INVALID_CHARACTERS", "fileName"),
        ({"fileName": "run.exe"}, "FILE_TYPE_REFUSED", "fileName"),
        ({"fileName": "face.png"}, "FILE_TYPE_REFUSED", "fileName"),
        ({"fileName": " "}, "EMPTY", "fileName"),
        ({"size": 0}, "EMPTY", "size"),
        ({"size": (100 << 20) + 1}, "FILE_TOO_LARGE", "size"),
        ({"size": (10 << 20) + 1, "purpose": "AVATAR", "fileName": "a.png"}, "FILE_TOO_LARGE", "size"),
        ({"size": 2**31 - 1}, "FILE_TOO_LARGE", "size"),
    ],
)
async def test_what_cannot_become_a_file_is_not_begun(
    alice: Person, values: dict[str, Any], code: str, field: str
) -> None:
    given = {"fileName": "ferry.md", "size": 5, "purpose": "KNOWLEDGE", **values}
    assert await alice.refusal("uploadCreate", **given) == (code, ["input", field])


async def test_the_largest_that_are_accepted_are_begun(alice: Person) -> None:
    await begin(alice, size=100 << 20)
    await begin(alice, "face.png", 10 << 20, "AVATAR")


# -- sending ---------------------------------------------------------------------------------------------------------


async def test_just_as_many_bytes_are_taken_as_were_announced(alice: Person) -> None:
    upload = await begin(alice, size=10)
    put = alice.site.http.put
    assert answer(await put(upload["url"], content=b"x" * 11)) == (413, "FILE_TOO_LARGE")
    assert answer(await put(upload["url"], content=b"x" * 9)) == (400, "INCOMPLETE")
    assert answer(await put(upload["url"], content=_in_parts(b"x" * 6, b"x" * 6))) == (413, "FILE_TOO_LARGE")
    assert answer(await put(upload["url"], content=_in_parts(b"x" * 6, b"x" * 3))) == (400, "INCOMPLETE")
    assert await refusal(alice, upload, b"x" * 9) == "INVALID_STATE"
    assert (await put(upload["url"], content=_in_parts(b"x" * 6, b"x" * 4))).status_code == 204
    assert (await complete(alice, upload, b"x" * 10))["file"]["size"] == 10


async def _in_parts(*parts: bytes) -> AsyncIterator[bytes]:
    """A body without a length."""
    for part in parts:
        yield part


async def test_an_address_that_was_changed_or_is_for_something_else_leads_nowhere(alice: Person, bob: Person) -> None:
    upload, file = await begin(alice), await uploaded(alice)
    http, path = alice.site.http, upload["url"]
    changed = path[:-1] + ("A" if path[-1] != "A" else "B")
    for wrong in (changed, path[:30], path + "AA", "/uploads/é", file["url"].replace("/files/", "/uploads/")):
        assert answer(await http.put(wrong, content=NOVEL)) == (403, "LINK_INVALID"), wrong
    for wrong in (path.replace("/uploads/", "/files/"), file["url"][:-3] + "AAA", "/files/x"):
        assert answer(await http.get(wrong)) == (403, "LINK_INVALID"), wrong
    # Every byte of it counts: that of the tenant, of the upload, of the size, of the time.
    raw = bytearray(base64.urlsafe_b64decode(path.removeprefix("/uploads/") + "=="))
    for at in range(0, len(raw), 5):
        raw[at] ^= 1
        forged = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        assert answer(await http.put(f"/uploads/{forged}", content=NOVEL)) == (403, "LINK_INVALID"), at
        raw[at] ^= 1


async def test_an_address_is_good_until_its_time_is_over(alice: Person) -> None:
    links, file, upload = alice.site.api.services.file_links, await uploaded(alice), await begin(alice)
    assert isinstance(links, SignedFileLinks)
    now = datetime.now(UTC)
    for leave, path, subject, method in (
        (Leave.UPLOAD, "uploads", decode_id("Upload", upload["id"]), "PUT"),
        (Leave.DOWNLOAD, "files", decode_id("File", file["id"]), "GET"),
    ):
        for seconds, expected in ((30, {200, 204}), (-1, {410})):
            size = len(NOVEL) if leave is Leave.UPLOAD else 0
            link = Link(leave, alice.tenant_id, subject, size, now + timedelta(seconds=seconds))
            content = NOVEL if method == "PUT" else None
            response = await alice.site.http.request(method, f"/{path}/{links.signed(link)}", content=content)
            assert response.status_code in expected, (method, seconds)
            assert seconds > 0 or response.json()["code"] == "LINK_EXPIRED"


# -- completing ------------------------------------------------------------------------------------------------------


async def test_who_completes_twice_gets_the_same_file_and_with_another_hash_a_conflict(alice: Person) -> None:
    upload = await begin(alice)
    await send(alice, upload, NOVEL)
    one, two = await asyncio.gather(*(complete(alice, upload, NOVEL) for _ in range(2)))
    again = await complete(alice, upload, NOVEL)
    assert one["file"]["id"] == two["file"]["id"] == again["file"]["id"]
    assert await refusal(alice, upload, b"other") == "CONFLICT"
    assert answer(await send(alice, upload, NOVEL)) == (409, "CONFLICT")


async def test_the_wrong_hash_is_refused(alice: Person) -> None:
    upload = await begin(alice)
    await send(alice, upload, NOVEL)
    assert await refusal(alice, upload, b"other") == "HASH_MISMATCH"
    for digest in ("", "zz" * 32, "ab" * 31, "ab" * 33, " ab" * 32):
        wrong = await alice.refusal("uploadComplete", uploadId=upload["id"], sha256=digest)
        assert wrong == ("BAD_USER_INPUT", ["input", "sha256"]), digest
    assert (await complete(alice, upload, NOVEL))["file"]


@pytest.mark.parametrize(
    ("content", "name", "purpose", "code"),
    [
        (samples.PDF + samples.DOCX, "a.pdf", "KNOWLEDGE", "FILE_AMBIGUOUS"),
        (b"GIF89a/*" + samples.GIF[8:], "a.gif", "AVATAR", "FILE_AMBIGUOUS"),
        (samples.PNG, "a.jpg", "AVATAR", "FILE_TYPE_MISMATCH"),
        (samples.PAGE, "a.md", "KNOWLEDGE", "FILE_TYPE_MISMATCH"),
        (samples.PDF, "face", "AVATAR", "FILE_TYPE_REFUSED"),
        (b"MZ\x90\x00" + bytes(99), "a.pdf", "KNOWLEDGE", "FILE_TYPE_REFUSED"),
        (samples.png_claiming(30_000, 30_000), "a.png", "ATTACHMENT", "FILE_TOO_LARGE"),
        (samples.png_claiming(900, 900), "a.png", "ATTACHMENT", "FILE_DAMAGED"),
        (samples.DOCX[:-9], "a.docx", "KNOWLEDGE", "FILE_DAMAGED"),
    ],
)
async def test_content_is_looked_at_whatever_its_name_says(
    alice: Person, content: bytes, name: str, purpose: str, code: str
) -> None:
    upload = await begin(alice, name, len(content), purpose)
    assert (await send(alice, upload, content)).status_code == 204
    assert await refusal(alice, upload, content) == code


async def test_another_users_or_tenants_upload_is_not_there(alice: Person, bob: Person) -> None:
    upload = await begin(alice)
    await send(alice, upload, NOVEL)
    colleague = await alice.site.member(alice, Role.AUTHOR)
    assert await refusal(bob, upload, NOVEL) == await refusal(colleague, upload, NOVEL) == "NOT_FOUND"


# -- in a bucket -----------------------------------------------------------------------------------------------------


async def test_the_same_goes_through_a_bucket(settings: Settings) -> None:
    with s3_bucket() as bucket:
        files = settings.files.model_copy(
            update={
                "s3_bucket": bucket.name, "s3_endpoint_url": bucket.endpoint_url,
                "s3_access_key": SecretStr("test-key"), "s3_secret_key": SecretStr("test-secret"),
            }
        )  # fmt: skip
        async with opened_site(settings.model_copy(update={"files": files})) as site:
            person = await site.tenant()
            content = samples.image("PNG", (600, 300))
            upload = await begin(person, "lamp.png", len(content), "AVATAR")
            assert upload["url"].startswith(f"{bucket.endpoint_url}/{bucket.name}/staging/")
            assert (await send(person, upload, content)).status_code == 200  # by the bucket
            file = (await complete(person, upload, content))["file"]
            assert (file["mimeType"], file["width"]) == ("image/png", 600)
            assert (await site.http.get(file["url"])).content == content
            part = await site.http.get(file["url"], headers={"range": "bytes=1-3"})
            assert (part.status_code, part.content) == (206, b"PNG")
            assert (await site.http.get(file["thumbnailUrl"])).content[8:12] == b"WEBP"
