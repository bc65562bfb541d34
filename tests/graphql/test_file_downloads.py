"""Files fetched, listed and deleted, and who sees them."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import AsyncIterator

import pytest

from domain.accounts import Role
from tests import file_samples as samples
from tests.graphql.clients import Person, Site
from tests.graphql.uploading import NOVEL, answer, begin, uploaded

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
    private: set[str] = set()
    shared: set[str] = set()
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
    assert await author.refusal("fileDelete", id=file["id"]) == ("FORBIDDEN", ["input", "id"])


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
