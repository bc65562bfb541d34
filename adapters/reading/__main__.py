"""The process that reads one document: a line of JSON and the content come in, one line of JSON goes out."""

from __future__ import annotations

import sys

import orjson

from adapters.reading import limits


def main() -> None:
    header = orjson.loads(sys.stdin.buffer.readline())
    limits.bind()
    try:
        answer = _answer(header, sys.stdin.buffer.read())
    except MemoryError:
        answer = b'{"error":"OUT_OF_MEMORY","detail":""}'
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


def _answer(header: dict[str, str], content: bytes) -> bytes:
    from adapters.reading.reader import read
    from domain.knowledge.chunking import cut
    from domain.knowledge.entities import DocumentErrorCode
    from domain.knowledge.failures import IngestFailed
    from domain.knowledge.parsing import CHUNKS_MAX
    from domain.knowledge.policies import ChunkPolicy

    try:
        parsed = read(content, header["mime"], header["name"])
        pieces = cut(parsed.text, parsed.headings, parsed.pages, ChunkPolicy.from_json(header["policy"]))  # type: ignore[arg-type]
        if len(pieces) > CHUNKS_MAX:
            raise IngestFailed(DocumentErrorCode.TOO_LONG, f"{len(pieces)} chunks")
    except IngestFailed as error:
        return orjson.dumps({"error": error.code, "detail": error.detail})
    return orjson.dumps(
        {
            "text": parsed.text,
            "pages": parsed.pages,
            "language": parsed.language,
            "pieces": [(one.start, one.end, one.heading_path, one.page, one.tokens) for one in pieces],
        }
    )


main()
