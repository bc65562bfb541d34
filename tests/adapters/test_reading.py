"""Documents of every kind, whole and hostile, read in a process of their own."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator

import pytest

from adapters.reading import limits, reader
from adapters.reading.process import ChildReader
from domain.knowledge.entities import DocumentErrorCode
from domain.knowledge.failures import SENTENCES, IngestFailed
from domain.knowledge.parsing import CHARACTERS_MAX, CHUNKS_MAX, SOURCE_BYTES_MAX, Reading, Source, in_one
from domain.knowledge.policies import ChunkPolicy
from tests.adapters.documents import DOCX, EPUB, PDF, epub, pdf, word, zipped
from tests.pace import slowness

CHINESE = "第一章 夜雨\n\n雨下了一夜，灯还亮着。他说：“走吧。”\n\n" * 20
LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]>"
)


async def read(content: bytes, mime: str = "text/plain", name: str = "", wall_s: float = 60.0) -> Reading:
    return await ChildReader(wall_s=wall_s).read(Source(in_one(content), mime, name), ChunkPolicy())


async def failure(content: bytes, mime: str = "text/plain", name: str = "", wall_s: float = 60.0) -> DocumentErrorCode:
    with pytest.raises(IngestFailed) as caught:
        await read(content, mime, name, wall_s)
    return caught.value.code


def titles(content: bytes, mime: str = "text/plain", name: str = "") -> list[tuple[int, str]]:
    """Each heading, which stands where it says."""
    parsed = reader.read(content, mime, name)
    for one in parsed.headings:
        assert parsed.text[one.start : one.end].strip("# ") == one.title
    return [(one.level, one.title) for one in parsed.headings]


async def test_a_pdf_has_pages_paragraphs_and_the_headings_of_its_outline() -> None:
    reading = await read(pdf(3), PDF)
    assert titles(pdf(3), PDF) == [(1, "Lamp 1"), (1, "Lamp 2"), (1, "Lamp 3")]
    assert [reading.text[start:].split("\n")[0] for start in reading.pages] == ["Lamp 1", "Lamp 2", "Lamp 3"]
    assert "line 0 and trimmed the wick once more The keeper of lamp 1 wrote line 1" in reading.text
    assert "第2夜的灯还亮着。" in reading.text
    assert {piece.page for piece in reading.pieces} == {1, 2, 3}
    for piece in reading.pieces:
        assert piece.heading_path == [f"Lamp {piece.page}"]


async def test_a_pdf_of_a_hundred_pages_is_read_in_seconds() -> None:
    content, began = pdf(100), time.monotonic()
    reading = await read(content, PDF)
    assert len(reading.pages) == 100
    assert time.monotonic() - began < 10 * slowness()


async def test_a_docx_has_the_headings_of_its_styles() -> None:
    book = word(("One", "Top"), "Hello there.", "第二天，他走了。")
    reading = await read(book, DOCX, "a.docx")
    assert reading.text == "One\n\nHello there.\n\n第二天，他走了。"
    assert titles(book, DOCX, "a.docx") == [(1, "One")]


async def test_a_docx_without_styles_has_the_headings_that_its_text_shows() -> None:
    book = word("第一章 夜雨", "雨下了一夜。", "Chapter 2", "It rained.")
    assert titles(book, DOCX) == [(2, "第一章 夜雨"), (2, "Chapter 2")]


async def test_a_docx_with_text_boxes_has_them_once_and_what_stands_around_them() -> None:
    box = "<w:txbxContent><w:p><w:r><w:t>In a box.</w:t></w:r></w:p></w:txbxContent>"
    both = f"<mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
    around = (
        '<w:p xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><w:r><w:t>Before it, </w:t></w:r>'
        f"<w:r><mc:AlternateContent>{both}</mc:AlternateContent></w:r><w:r><w:t>behind it.</w:t></w:r></w:p>"
    )
    assert (await read(word(body=around), DOCX)).text == "In a box.\n\nBefore it, behind it."


async def test_an_epub_is_read_in_the_order_of_its_spine() -> None:
    book = epub("<html><body><h1>Beta</h1><p>first</p></body></html>", "<body><h2>Alpha</h2><p>第二天</p>")
    reading = await read(book, EPUB)
    assert reading.text == "Beta\n\nfirst\n\nAlpha\n\n第二天"
    assert titles(book, EPUB) == [(1, "Beta"), (2, "Alpha")]


async def test_html_is_what_a_reader_sees() -> None:
    page = b"""<head><title>T</title><script>bad()</script><body><nav>menu</nav><h1>One</h1>
        <p>A &amp; b<br>c <b>d</b></p><hr><ul><li>x<li>y</ul><style>p{}</style><pre>  keep\n  this</pre>"""
    reading = await read(page, "text/html")
    assert reading.text == "One\n\nA & b\nc d\n\n***\n\nx\n\ny\n\n  keep\n  this"


def test_a_heading_in_markdown_is_none_in_its_code() -> None:
    content = b"# One\n\ntext\n\n```\n# not one\n```\n\nTwo\n---\n\nmore\n"
    found = reader.read(content, "text/plain", "a.md").headings
    assert [(one.level, one.title) for one in found] == [(1, "One"), (2, "Two")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
async def test_chinese_is_read_in_its_encodings(encoding: str) -> None:
    reading = await read(CHINESE.encode(encoding))
    assert reading.text == CHINESE.strip()
    assert reading.language == "zh"


async def test_a_western_code_page_is_not_taken_for_chinese() -> None:
    said = "Le café était fermé, s’il vous plaît. " * 20
    assert (await read(said.encode("cp1252"))).text == said.strip()


HOSTILE = {
    "nothing": (b"", "text/plain", "", DocumentErrorCode.EMPTY),
    "blanks": (b" \n\t ", "text/plain", "", DocumentErrorCode.EMPTY),
    "zero bytes": (b"abc\0def", "text/plain", "", DocumentErrorCode.WRONG_TYPE),
    "no encoding": (bytes(range(128, 256)) * 50, "text/plain", "", DocumentErrorCode.ENCODING),
    "a pdf that is cut off": (pdf(3)[:2_000], PDF, "", DocumentErrorCode.DAMAGED),
    "a pdf of rubbish": (b"%PDF-1.4 rubbish\n%%EOF", PDF, "", DocumentErrorCode.DAMAGED),
    "a pdf with a password": (pdf(1, "secret"), PDF, "", DocumentErrorCode.ENCRYPTED),
    "a pdf that is called a text": (pdf(1), "text/plain", "a.txt", DocumentErrorCode.WRONG_TYPE),
    "a text that is called a pdf": (b"hello", PDF, "a.pdf", DocumentErrorCode.WRONG_TYPE),
    "a name of one kind and a type of another": (pdf(1), PDF, "a.docx", DocumentErrorCode.WRONG_TYPE),
    "a docx that is called an epub": (word("x"), EPUB, "a.epub", DocumentErrorCode.WRONG_TYPE),
    "a docx without text": (word(), DOCX, "", DocumentErrorCode.EMPTY),
    "a docx that is cut off": (word("x")[:200], DOCX, "", DocumentErrorCode.DAMAGED),
    "a docx of broken xml": (zipped({"word/document.xml": "<w:p"}), DOCX, "", DocumentErrorCode.DAMAGED),
    "a docx that defines entities": (word(prolog=LAUGHS, body="&j;"), DOCX, "", DocumentErrorCode.BOMB),
    "an encrypted docx": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), DOCX, "",
        DocumentErrorCode.ENCRYPTED,
    ),
    "an old doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, "application/msword", "",
                   DocumentErrorCode.UNSUPPORTED),
    "zips in a zip": (zipped({"a.zip": zipped({"b.zip": "x"})}), DOCX, "", DocumentErrorCode.UNSUPPORTED),
    "an epub without a book": (zipped({"META-INF/container.xml": "<a/>"}), EPUB, "", DocumentErrorCode.DAMAGED),
    "an epub whose pages are encrypted": (epub("<p>x</p>", encrypted=True), EPUB, "", DocumentErrorCode.ENCRYPTED),
    "a picture": (b"\x89PNG\r\n\x1a\n" + b"x" * 99, "text/plain", "a.txt", DocumentErrorCode.WRONG_TYPE),
    "an unknown kind": (b"abc", "application/x-thing", "a.thing", DocumentErrorCode.UNSUPPORTED),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
async def test_what_cannot_be_read_says_why(what: str) -> None:
    content, mime, name, code = HOSTILE[what]
    assert await failure(content, mime, name) is code


async def test_a_zip_that_unpacks_to_gigabytes_is_given_up_within_bounds() -> None:
    bomb = zipped({"word/document.xml": b"<a>" + b" " * 400_000_000})
    assert len(bomb) < 1_000_000
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert await failure(bomb, DOCX) is DocumentErrorCode.BOMB
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert max(before, after) * 1024 < limits.MEMORY_BYTES


async def test_a_part_of_a_zip_that_lies_about_its_size_is_given_up() -> None:
    """It claims two gigabytes in its directory, and has ten bytes."""
    whole = bytearray(zipped({"word/document.xml": "<a/>" * 3}))
    place = whole.rfind(b"PK\x01\x02")
    whole[place + 24 : place + 28] = (2**31).to_bytes(4, "little")
    assert await failure(bytes(whole), DOCX) in {DocumentErrorCode.DAMAGED, DocumentErrorCode.EMPTY}


async def test_a_hundred_megabytes_in_one_line_are_given_up() -> None:
    began = time.monotonic()
    assert await failure(b"x" * SOURCE_BYTES_MAX) is DocumentErrorCode.TOO_LONG
    assert await failure(b"<p>" + b"x" * (SOURCE_BYTES_MAX - 3), "text/html") is DocumentErrorCode.TOO_LARGE
    assert time.monotonic() - began < 20 * slowness()


async def test_a_source_with_a_byte_too_many_is_not_read() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    with pytest.raises(IngestFailed) as caught:
        await ChildReader().read(Source(endless(), "text/plain"), ChunkPolicy())
    assert caught.value.code is DocumentErrorCode.TOO_LARGE


async def test_as_many_chunks_as_a_document_may_have_are_cut_and_one_more_is_not() -> None:
    lines = "".join(f"# {n:05}\n\n" for n in range(CHUNKS_MAX))
    policy = ChunkPolicy(size=100, overlap=0)
    reading = await ChildReader().read(Source(in_one(lines.encode()), "text/markdown"), policy)
    assert len(reading.pieces) == CHUNKS_MAX
    with pytest.raises(IngestFailed) as caught:
        await ChildReader().read(Source(in_one(f"{lines}# one".encode()), "text/markdown"), policy)
    assert caught.value.code is DocumentErrorCode.TOO_LONG


async def test_as_many_characters_as_a_document_may_have_are_read_and_one_more_is_not() -> None:
    sentence = "The lamp is lit and the boat is late. "
    most = (sentence * (CHARACTERS_MAX // len(sentence) + 1))[: CHARACTERS_MAX - 1] + "x"
    assert len((await read(most.encode())).text) == CHARACTERS_MAX
    assert await failure((most + "x").encode()) is DocumentErrorCode.TOO_LONG


async def test_tags_without_end_are_given_up() -> None:
    assert await failure(b"<div>" * 1_200_000, "text/html") is DocumentErrorCode.BOMB


async def test_a_child_that_takes_too_long_is_killed() -> None:
    assert await failure(b"<div>" * 1_200_000, "text/html", wall_s=0.5) is DocumentErrorCode.TIMED_OUT


async def test_a_reading_that_is_cancelled_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[asyncio.subprocess.Process] = []
    running = asyncio.Event()
    begin = asyncio.create_subprocess_exec

    async def noted(*args: object, **kwargs: object) -> asyncio.subprocess.Process:
        started.append(await begin(*args, **kwargs))  # type: ignore[arg-type]
        running.set()
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    reading = asyncio.create_task(read(b"<div>" * 1_200_000, "text/html"))
    await running.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert started[0].returncode is not None


async def test_the_child_knows_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, dict[str, str]] = {}
    begin = asyncio.create_subprocess_exec

    async def noted(*args: object, **kwargs: dict[str, str]) -> asyncio.subprocess.Process:
        given["env"] = kwargs["env"]
        return await begin(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    monkeypatch.setenv("DATABASE_URL", "secret")
    await read(b"hello")
    assert set(given["env"]) == {"PYTHONPATH", "LANG", "PATH", "MALLOC_ARENA_MAX"}


def test_every_code_has_its_sentence() -> None:
    assert set(SENTENCES) == set(DocumentErrorCode)
    assert all(one.endswith(".") for one in SENTENCES.values())
