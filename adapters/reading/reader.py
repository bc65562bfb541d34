"""From a document's bytes to its text."""

from __future__ import annotations

from typing import assert_never

from adapters.reading.kinds import Kind, kind_of
from domain.knowledge.parsing import Parsed


def read(content: bytes, mime: str, name: str) -> Parsed:
    """Raises IngestFailed for whatever cannot be read."""
    kind = kind_of(content, mime, name)
    match kind:
        case Kind.TEXT | Kind.MARKDOWN:
            from adapters.reading.plain import read_text

            return read_text(content, markdown=kind is Kind.MARKDOWN)
        case Kind.HTML:
            from adapters.reading.markup import read_html

            return read_html(content)
        case Kind.DOCX:
            from adapters.reading.word import read_docx

            return read_docx(content)
        case Kind.EPUB:
            from adapters.reading.epub import read_epub

            return read_epub(content)
        case Kind.PDF:
            from adapters.reading.pdf import read_pdf

            return read_pdf(content)
        case _:
            assert_never(kind)
