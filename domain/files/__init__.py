"""Files: uploads, what they are found to be, and the blobs that hold their bytes."""

from domain.files.blobs import BlobMissing, BlobStore
from domain.files.entities import File, FileKind, FilePurpose, FileRules, Upload, UploadState

__all__ = [
    "BlobMissing",
    "BlobStore",
    "File",
    "FileKind",
    "FilePurpose",
    "FileRules",
    "Upload",
    "UploadState",
]
