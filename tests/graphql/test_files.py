"""Files through the API: announced, sent over HTTP, completed, fetched."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import resource
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
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
from tests.graphql.clients import Person, Site

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


async def refusal(person: Person, upload: Any, content: bytes) -> str:
    """The code with which an upload is not completed."""
    digest = hashlib.sha256(content).hexdigest()
    return (await person.refusal("uploadComplete", uploadId=upload["id"], sha256=digest))[0]


def answer(response: httpx.Response) -> tuple[int, str]:
    """Status and code of an HTTP refusal."""
    return response.status_code, response.json()["code"]


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


# -- fetching --------------------------------------------------------------------------------------------------------


async def test_a_browser_runs_nothing_of_what_it_fetches(alice: Person) -> None:
    page = await uploaded(alice, '雾 "fog".html', samples.PAGE)
    fetched = await alice.site.http.get(page["url"])
    headers = fetched.headers
    assert (headers["content-type"], headers["x-content-type-options"]) == ("text/html; charset=utf-8", "nosniff")
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "sandbox" in headers["content-security-policy"]
    expected = "attachment; filename=\"_ _fog_.html\"; filename*=UTF-8''%E9%9B%BE%20%22fog%22.html"
    assert headers["content-disposition"] == expected


async def test_an_image_is_shown_with_its_thumbnail(alice: Person) -> None:
    content = samples.image("JPEG", (1_024, 512))
    file = await uploaded(alice, "lamp.jpg", content, "MESSAGE_IMAGE")
    assert (file["mimeType"], file["width"], file["height"]) == ("image/jpeg", 1_024, 512)
    whole, small = [await alice.site.http.get(file[one]) for one in ("url", "thumbnailUrl")]
    assert (whole.content, whole.headers["content-type"]) == (content, "image/jpeg")
    assert whole.headers["content-disposition"].startswith("inline; ")
    assert (small.headers["content-type"], small.content[8:12]) == ("image/webp", b"WEBP")


async def test_a_text_says_how_it_is_written(alice: Person) -> None:
    file = await uploaded(alice, "旧.txt", samples.CHINESE)
    fetched = await alice.site.http.get(file["url"])
    assert fetched.headers["content-type"] == "text/plain; charset=gb18030"
    assert fetched.text == "她在雾里等船，灯一直亮着。"


@pytest.mark.parametrize(
    ("asked", "status", "found"),
    [
        ("bytes=0-3", 206, NOVEL[:4]),
        ("bytes=5-", 206, NOVEL[5:]),
        ("bytes=-4", 206, NOVEL[-4:]),
        ("bytes=0-9999", 206, NOVEL),
        ("bytes=4-2", 200, NOVEL),
        ("bytes=0-1,4-5", 200, NOVEL),
        ("lines=1-2", 200, NOVEL),
        ("bytes=-", 200, NOVEL),
    ],
)
async def test_a_part_can_be_fetched(alice: Person, asked: str, status: int, found: bytes) -> None:
    file = await uploaded(alice)
    part = await alice.site.http.get(file["url"], headers={"range": asked})
    assert (part.status_code, part.content, part.headers["content-length"]) == (status, found, str(len(found)))
    assert ("content-range" in part.headers) is (status == 206)


async def test_what_lies_behind_the_end_cannot_be_fetched(alice: Person) -> None:
    file = await uploaded(alice)
    part = await alice.site.http.get(file["url"], headers={"range": f"bytes={len(NOVEL)}-"})
    assert (answer(part), part.headers["content-range"]) == ((416, "RANGE"), f"bytes */{len(NOVEL)}")


async def test_what_a_browser_has_it_need_not_fetch_again(alice: Person) -> None:
    file = await uploaded(alice)
    head = await alice.site.http.head(file["url"])
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(NOVEL)))
    again = await alice.site.http.get(file["url"], headers={"if-none-match": head.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    same = await alice("query ($id: ID!) { node(id: $id) { ... on File { url } } }", id=file["id"])
    assert same["url"] == file["url"]


# -- who sees what ---------------------------------------------------------------------------------------------------

LIST = """query ($purpose: FilePurpose, $first: Int = 20, $after: String) {
  files(purpose: $purpose, first: $first, after: $after) {
    edges { node { id purpose owner { id } } } pageInfo { hasNextPage endCursor }
  }
}"""
NODE = "query ($id: ID!) { node(id: $id) { id } }"


async def listed(person: Person, purpose: str | None = None) -> set[str]:
    return {edge["node"]["id"] for edge in (await person(LIST, purpose=purpose))["edges"]}


async def test_private_files_are_seen_by_their_owner_and_shared_ones_by_all(site: Site, bob: Person) -> None:
    owner = await site.tenant()
    author, viewer = await site.member(owner, Role.AUTHOR), await site.member(owner, Role.VIEWER)
    private, shared = set(), set()
    for purpose, found in (
        ("KNOWLEDGE", shared), ("AVATAR", shared), ("MESSAGE_IMAGE", private), ("ATTACHMENT", private)
    ):  # fmt: skip
        content, name = (NOVEL, "a.md") if purpose == "KNOWLEDGE" else (samples.PNG, "a.png")
        found.add((await uploaded(author, name, content, purpose))["id"])
    for person, expected in ((author, private | shared), (viewer, shared), (owner, shared), (bob, set())):
        assert await listed(person) & (private | shared) == expected
        for one in private | shared:
            node = await person(NODE, id=one)
            assert (node is not None) is (one in expected)
    for one in private:
        assert await owner.refusal("fileDelete", id=one) == ("NOT_FOUND", ["input", "id"])


async def test_a_list_is_narrowed_by_purpose_and_paged_with_one_statement_a_level(site: Site) -> None:
    person = await site.tenant()
    for n in range(3):
        await uploaded(person, f"{n}.md", NOVEL + bytes([65 + n]))
    image = await uploaded(person, "a.png", samples.PNG, "AVATAR")
    assert await listed(person, "AVATAR") == {image["id"]}
    assert await listed(person, "ATTACHMENT") == set()
    database = site.api.database
    await person(LIST)
    before = database.statements
    page = await person(LIST, purpose="KNOWLEDGE", first=2)
    assert database.statements - before == 2  # the files, and their owners
    assert [len(page["edges"]), page["pageInfo"]["hasNextPage"]] == [2, True]
    rest = await person(LIST, purpose="KNOWLEDGE", first=2, after=page["pageInfo"]["endCursor"])
    assert [len(rest["edges"]), rest["pageInfo"]["hasNextPage"]] == [1, False]


async def test_a_deleted_file_is_gone_and_its_double_stays(site: Site) -> None:
    person = await site.tenant()
    one, two = [await uploaded(person) for _ in range(2)]
    payload = await person.mutate("fileDelete", "deletedId", id=one["id"])
    assert payload == {"deletedId": one["id"], "userErrors": []}
    assert await listed(person) == {two["id"]}
    assert answer(await site.http.get(one["url"])) == (404, "NOT_FOUND")
    assert (await site.http.get(two["url"])).content == NOVEL
    assert await person.refusal("fileDelete", id=one["id"]) == ("NOT_FOUND", ["input", "id"])


async def test_somebody_elses_shared_file_is_not_an_authors_to_delete(site: Site) -> None:
    owner = await site.tenant()
    author, file = await site.member(owner, Role.AUTHOR), await uploaded(owner)
    answered = await author.ask(
        "mutation ($i: FileDeleteInput!) { fileDelete(input: $i) { deletedId } }", i={"id": file["id"]}
    )
    assert answered["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_large_file_goes_in_and_out_within_little_memory(alice: Person) -> None:
    """As large as is accepted; the process serves, sends and fetches."""
    mib, size = b"The ferry left before the fog did. \n" * 29_127, 100 << 20
    digest = hashlib.sha256()

    async def novel() -> AsyncIterator[bytes]:
        left = size
        while left:
            part = mib[:left]
            left -= len(part)
            digest.update(part)
            yield part

    upload = await begin(alice, "long.txt", size)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (await alice.site.http.put(upload["url"], content=novel(), timeout=120)).status_code == 204
    payload = await alice.mutate(
        "uploadComplete", "file { url size }", uploadId=upload["id"], sha256=digest.hexdigest()
    )
    assert payload["userErrors"] == []
    fetched = hashlib.sha256()
    async with alice.site.http.stream("GET", payload["file"]["url"], timeout=120) as response:
        async for chunk in response.aiter_bytes():
            fetched.update(chunk)
    assert fetched.digest() == digest.digest()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 << 10


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
