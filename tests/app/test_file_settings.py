"""What the environment says of files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from adapters.blobs_local import LocalBlobs
from adapters.blobs_s3 import S3Blobs
from app.file_services import blobs_of
from app.settings import Settings, SettingsError
from domain.files.entities import FileRules


def test_the_limits_are_those_of_the_domain_unless_the_site_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.read().files.rules == FileRules()
    for name, value in (
        ("KNOWLEDGE_BYTES_MAX", 1), ("IMAGE_BYTES_MAX", 2), ("ATTACHMENT_BYTES_MAX", 3), ("IMAGE_PIXELS_MAX", 4),
        ("IMAGE_FRAMES_MAX", 5), ("UPLOAD_TTL_S", 60), ("LINK_TTL_S", 86_400),
        ("TENANT_BYTES_MAX", 6),
    ):  # fmt: skip
        monkeypatch.setenv(f"FABULA_FILES_{name}", str(value))
    assert Settings.read().files.rules == FileRules(1, 2, 3, 4, 5, timedelta(minutes=1), timedelta(days=1), 6)


@pytest.mark.parametrize(
    ("name", "value"),
    [("KNOWLEDGE_BYTES_MAX", "0"), ("KNOWLEDGE_BYTES_MAX", str(2**31)), ("IMAGE_PIXELS_MAX", "80000001"),
     ("UPLOAD_TTL_S", "59"), ("LINK_TTL_S", "86401"), ("S3_ENDPOINT_URL", "ftp://bucket.example")],
)  # fmt: skip
def test_a_limit_that_makes_no_sense_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FABULA_FILES_{name}", value)
    with pytest.raises(SettingsError, match=f"^FABULA_FILES_{name}: "):
        Settings.read()


def test_a_public_address_is_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABULA_PUBLIC_URL", "novels.example.org")
    with pytest.raises(SettingsError, match="FABULA_PUBLIC_URL"):
        Settings.read()


def test_files_lie_under_the_data_directory_or_where_the_site_says_or_in_its_bucket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def root() -> Path:
        store = blobs_of(Settings.read())
        assert isinstance(store, LocalBlobs)
        return store._root

    monkeypatch.setenv("FABULA_DATA_DIR", str(tmp_path / "data"))
    assert root() == tmp_path / "data" / "files"
    monkeypatch.setenv("FABULA_FILES_DIRECTORY", str(tmp_path / "elsewhere"))
    assert root() == tmp_path / "elsewhere"
    monkeypatch.setenv("FABULA_FILES_S3_BUCKET", "novels")
    monkeypatch.setenv("FABULA_FILES_S3_ACCESS_KEY", "planted-key")
    monkeypatch.setenv("FABULA_FILES_S3_SECRET_KEY", "planted-secret")
    assert isinstance(blobs_of(Settings.read()), S3Blobs)
    assert "planted" not in repr(Settings.read())
