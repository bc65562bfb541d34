"""The files room's parts, for each process that touches files."""

from __future__ import annotations

from adapters.blobs_local import LocalBlobs
from adapters.blobs_s3 import Bucket, S3Blobs, origin_of
from adapters.images import PillowImages
from app.file_links import SignedFileLinks
from app.settings import Settings
from domain.files.blobs import BlobStore
from domain.files.desk import FileDesk
from domain.unit_of_work import OpenUnitOfWork


def blobs_of(settings: Settings) -> BlobStore:
    """The bucket, where one is named, and a directory otherwise."""
    bucket = _bucket(settings)
    if bucket is None:
        return LocalBlobs(settings.files.directory or settings.data_dir / "files")
    return S3Blobs(bucket, settings.data_dir / "scratch")


def upload_origin(settings: Settings) -> str | None:
    """The other host that pages send files to; None where they send them to the API."""
    bucket = _bucket(settings)
    return None if bucket is None else origin_of(bucket)


def _bucket(settings: Settings) -> Bucket | None:
    files = settings.files
    if not files.s3_bucket:
        return None
    return Bucket(
        files.s3_bucket, files.s3_region, files.s3_endpoint_url or None,
        files.s3_access_key.get_secret_value() or None, files.s3_secret_key.get_secret_value() or None,
    )  # fmt: skip


def desk_of(settings: Settings, units: OpenUnitOfWork, blobs: BlobStore) -> FileDesk:
    rules = settings.files.rules
    images = PillowImages(pixels_max=rules.image_pixels_max, frames_max=rules.image_frames_max)
    return FileDesk(units, blobs, images, rules, settings.data_dir / "scratch")


def links_of(settings: Settings, blobs: BlobStore) -> SignedFileLinks:
    return SignedFileLinks(settings.secret.get_secret_value(), settings.public_url, blobs, settings.files.rules)
