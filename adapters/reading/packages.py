"""Zips that hold a document: opened without trusting what they say of their own size."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from xml.parsers import expat

from adapters.reading import limits
from domain.knowledge.entities import DocumentErrorCode
from domain.knowledge.failures import IngestFailed

_STEP = 1024 * 1024
_ENCRYPTED = 0x1


class Package:
    """The parts of a zip. All that is read of it together is bounded."""

    def __init__(self, content: bytes) -> None:
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError) as error:
            raise IngestFailed(DocumentErrorCode.DAMAGED, str(error)) from None
        entries = self._archive.infolist()
        if len(entries) > limits.ENTRIES_MAX:
            raise IngestFailed(DocumentErrorCode.BOMB, f"{len(entries)} entries")
        if any(one.flag_bits & _ENCRYPTED for one in entries):
            raise IngestFailed(DocumentErrorCode.ENCRYPTED)
        self.names = {one.filename for one in entries}
        self._left = limits.UNPACKED_BYTES_MAX

    def read(self, name: str) -> bytes:
        """Raises IngestFailed for a part that is not there, is broken, or is too much."""
        parts: list[bytes] = []
        size = 0
        try:
            with self._archive.open(name) as part:
                while step := part.read(_STEP):
                    size += len(step)
                    if size > min(self._left, limits.PART_BYTES_MAX):
                        raise IngestFailed(DocumentErrorCode.BOMB, name)
                    parts.append(step)
        except (
            KeyError,
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            raise IngestFailed(DocumentErrorCode.DAMAGED, f"{name}: {error}") from None
        self._left -= size
        return b"".join(parts)


Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Data = Callable[[str], None]


def walk_xml(content: bytes, start: Start, end: End, data: Data) -> None:
    """Names come without their namespace. A document type that defines entities is refused."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def refuse(*_: object) -> None:
        raise IngestFailed(DocumentErrorCode.BOMB, "it defines entities")

    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = lambda *_: 1
    parser.StartElementHandler = lambda name, given: start(_local(name), {_local(k): v for k, v in given.items()})
    parser.EndElementHandler = lambda name: end(_local(name))
    parser.CharacterDataHandler = data
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise IngestFailed(DocumentErrorCode.DAMAGED, str(error)) from None


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
