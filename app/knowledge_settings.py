"""What the environment says of knowledge bases, as a part of `app.settings`."""

from __future__ import annotations

from typing import Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.rerank import RerankKind
from app.file_settings import http_url

_CONFIG: Final = SettingsConfigDict(
    env_prefix="FABULA_RERANK_",
    env_ignore_empty=True,
    extra="ignore",
    frozen=True,
    hide_input_in_errors=True,
)


class RerankSettings(BaseSettings):
    """The model that puts hits into order where a base asks for one; without a URL there is none.

    `url` is the whole address that is posted to, such as https://api.example.com/v2/rerank.
    """

    model_config = _CONFIG

    url: str = ""
    kind: RerankKind = RerankKind.COHERE
    model: str = "rerank-v3.5"
    api_key: SecretStr | None = Field(default=None)

    _url = field_validator("url")(http_url)
