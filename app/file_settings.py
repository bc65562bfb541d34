"""What the environment says of files, as a part of `app.settings`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.files.entities import FileRules

_HTTP_SCHEMES: Final = ("http", "https")
_CONFIG: Final = SettingsConfigDict(
    env_prefix="FABULA_FILES_",
    env_ignore_empty=True,
    extra="ignore",
    frozen=True,
    hide_input_in_errors=True,
)


def http_url(value: str) -> str:
    """Raises ValueError for what is neither empty nor an address."""
    parts = urlsplit(value)
    if value and not (parts.scheme in _HTTP_SCHEMES and parts.hostname):
        raise ValueError("must be a URL like https://fabula.example.org/")
    return value


class FileSettings(BaseSettings):
    """Where files are kept, and what is accepted. Without a directory they lie under the data directory."""

    model_config = _CONFIG

    directory: Path | None = None
    s3_bucket: str = ""
    s3_region: str = "us-east-1"
    s3_endpoint_url: str = ""
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    knowledge_bytes_max: int = Field(default=100 << 20, gt=0, lt=2**31)
    image_bytes_max: int = Field(default=10 << 20, gt=0, lt=2**31)
    attachment_bytes_max: int = Field(default=25 << 20, gt=0, lt=2**31)
    image_pixels_max: int = Field(default=40_000_000, gt=0, le=80_000_000)
    image_frames_max: int = Field(default=500, gt=0)
    upload_ttl_s: int = Field(default=3_600, ge=60, le=86_400)
    link_ttl_s: int = Field(default=900, ge=60, le=86_400)
    tenant_bytes_max: int = Field(default=20 << 30, gt=0)

    @field_validator("s3_endpoint_url")
    @classmethod
    def _as_http(cls, value: str) -> str:
        return http_url(value)

    @property
    def rules(self) -> FileRules:
        return FileRules(
            self.knowledge_bytes_max, self.image_bytes_max, self.attachment_bytes_max, self.image_pixels_max,
            self.image_frames_max, timedelta(seconds=self.upload_ttl_s), timedelta(seconds=self.link_ttl_s),
            self.tenant_bytes_max,
        )  # fmt: skip
