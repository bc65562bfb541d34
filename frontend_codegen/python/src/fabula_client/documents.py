"""The manifest of trusted documents: the hash of each operation, which is sent instead of its text.

A server that does not know a hash (an older or a newer one) executes nothing and says so; it is then sent the text, and
is not asked for that hash again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

UNKNOWN: Final = "PERSISTED_DOCUMENT_NOT_FOUND"


@dataclass(frozen=True)
class Document:
    hash: str
    """`sha256:<hex>` of the text."""
    text: str


@cache
def manifest() -> dict[str, Document]:
    """The package's own operations by name."""
    content = files("fabula_client").joinpath("generated/documents.json").read_text("utf-8")
    return {name: Document(**one) for name, one in json.loads(content).items()}


@dataclass
class Documents:
    enabled: bool = True
    _unknown: set[str] = field(default_factory=set)

    def payload(self, name: str, text: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The body of a request. An operation that is not the package's own is sent as its text."""
        known = manifest().get(name)
        if known is None:
            return {"query": text, "operationName": name, "variables": variables}
        if self.enabled and known.hash not in self._unknown:
            return {"documentId": known.hash, "operationName": name, "variables": variables}
        return {"query": known.text, "operationName": name, "variables": variables}

    def is_unknown(self, payload: dict[str, Any], errors: list[dict[str, Any]]) -> bool:
        """Whether these errors only say that the hash of `payload` is not known; remembered for the next time."""
        hash_ = payload.get("documentId")
        found = hash_ is not None and any((one.get("extensions") or {}).get("code") == UNKNOWN for one in errors)
        if found:
            self._unknown.add(str(hash_))
        return found
