"""What a person is told of a document that could not be ingested."""

from __future__ import annotations

from domain.errors import DomainError
from domain.knowledge.entities import DocumentErrorCode

SENTENCES: dict[DocumentErrorCode, str] = {
    DocumentErrorCode.EMPTY: "There is no text in this document.",
    DocumentErrorCode.TOO_LARGE: "This file is too large.",
    DocumentErrorCode.TOO_LONG: "This document has more text than one document may have. Divide it.",
    DocumentErrorCode.UNSUPPORTED: "This kind of file cannot be read.",
    DocumentErrorCode.WRONG_TYPE: "The content of this file is not what its name says.",
    DocumentErrorCode.DAMAGED: "This file is damaged.",
    DocumentErrorCode.ENCRYPTED: "This file is protected by a password. Save it without one.",
    DocumentErrorCode.BOMB: "This file unpacks to far more than it should.",
    DocumentErrorCode.ENCODING: "The characters of this text cannot be told. Save it as UTF-8.",
    DocumentErrorCode.TIMED_OUT: "Reading this file took too long.",
    DocumentErrorCode.OUT_OF_MEMORY: "Reading this file took too much memory.",
    DocumentErrorCode.PARSER_CRASHED: "Reading this file failed on our side.",
    DocumentErrorCode.FILE_MISSING: "The file is not there any more. Upload it again.",
    DocumentErrorCode.EMBEDDING_FAILED: "The embedding model did not answer as it should. Try again later.",
    DocumentErrorCode.QUOTA_EXHAUSTED: "The credit does not suffice to embed this document.",
    DocumentErrorCode.BUDGET_EXCEEDED: "A budget does not allow to embed this document.",
    DocumentErrorCode.WORKER_CRASHED: "Ingesting stopped again and again on our side.",
    DocumentErrorCode.CANCELLED: "Ingesting was stopped on request.",
    DocumentErrorCode.INTERNAL: "Something went wrong on our side. Try again later.",
}


class IngestFailed(DomainError):
    """A document cannot be ingested, however often it is tried. `detail` is for the log."""

    def __init__(self, code: DocumentErrorCode, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.message = SENTENCES[code]
        self.detail = detail
