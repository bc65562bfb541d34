"""The manifest that the code generator writes: one JSON object, `{"sha256:<hex>": "text of the document"}`.

ManifestError    the file cannot be read, is of another shape, or a hash is not that of its text
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from app.settings import Settings
from domain.integrations import Submitted, document_hash, read_hash

OWN: Final = Path(__file__).resolve().parent.parent / "frontend_codegen" / "client" / "persisted-documents.json"
"""The product's own clients' documents."""


class ManifestError(Exception):
    """The text names the file and what is wrong with it."""


def read_manifest(path: Path) -> list[Submitted]:
    """Its documents, whose hashes nobody has checked yet. Raises ManifestError."""
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"{path}: not JSON: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(text, str) for text in content.values()):
        raise ManifestError(f'{path}: a manifest is an object {{"sha256:<hex>": "text"}}')
    return [Submitted(hash_, text) for hash_, text in content.items()]


def manifest_of(settings: Settings) -> list[Submitted]:
    """What the product's own clients send: the given file, or the one of the tree where it is there."""
    if settings.trusted_documents is not None:
        return read_manifest(settings.trusted_documents)
    return read_manifest(OWN) if OWN.exists() else []


def first_party_documents(settings: Settings) -> dict[str, str]:
    """The same by hash, every hash checked against its text. Raises ManifestError."""
    return {read_hash(one.hash) or "": one.text for one in checked(manifest_of(settings))}


def checked(documents: Sequence[Submitted]) -> Sequence[Submitted]:
    """The same documents, every hash checked against its text. Raises ManifestError."""
    for one in documents:
        if read_hash(one.hash) != document_hash(one.text):
            raise ManifestError(f"the hash {one.hash} in the manifest is not the SHA-256 of its text")
    return documents
