"""What the environment says, read once.

This module alone reads `os.environ`; everything else is handed the narrow value it needs.

    SettingsError    a variable has a value that cannot be used; the message names it and never shows the value
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.file_settings import FileSettings, http_url
from app.knowledge_settings import RerankSettings
from domain.billing.usage import RETENTION_DAYS_MIN
from domain.integrations import DocumentMode
from domain.invoices import InvoiceTerms, Seller
from domain.operations import audit

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Introspection = Literal["everyone", "developers", "nobody"]
EntitlementsMode = Literal["open", "required"]
"""What a tenant without a subscription may do: everything, or nothing that plans decide."""

APP_ROLE: Final = "fabula_app"
RELAY_ROLE: Final = "fabula_relay"
_SECRET_CHARACTERS_MIN: Final = 32
_MASTER_KEY_BYTES: Final = 32
SECRET_FILE_BYTES_MAX: Final = 64 << 10
_POSTGRES_SCHEMES: Final = ("postgresql", "postgres", "postgresql+asyncpg")
_SMTP_SCHEMES: Final = ("smtp", "smtps")
_REDIS_SCHEMES: Final = ("redis", "rediss")
_CONFIG: Final = SettingsConfigDict(
    env_prefix="FABULA_",
    env_ignore_empty=True,
    extra="ignore",
    frozen=True,
    hide_input_in_errors=True,
    validate_by_name=True,
    validate_by_alias=True,
)


class SettingsError(Exception):
    """The environment cannot be used; the text names each variable at fault, one a line."""


class Limits(BaseSettings):
    """What one client may ask of HTTP and WebSocket (API, "Limits")."""

    model_config = _CONFIG

    body_bytes_max: int = Field(default=1024 * 1024, gt=0)
    ws_message_bytes_max: int = Field(default=64 * 1024, gt=0)
    ws_init_timeout_s: float = Field(default=5.0, gt=0)
    ws_ping_interval_s: float = Field(default=15.0, gt=0)
    query_depth_max: int = Field(default=15, gt=0)
    query_tokens_max: int = Field(default=1000, gt=0)
    query_aliases_max: int = Field(default=15, gt=0)
    query_directives_max: int = Field(default=5, gt=0)
    query_cost_max: int = Field(default=5_000, gt=0)
    cost_bucket_max: int = Field(default=10_000, gt=0)
    cost_restored_per_s: float = Field(default=500.0, gt=0)
    query_timeout_s: float = Field(default=10.0, gt=0)
    mutation_timeout_s: float = Field(default=30.0, gt=0)
    connection_subscriptions_max: int = Field(default=50, gt=0)
    user_subscriptions_max: int = Field(default=200, gt=0)
    user_connections_max: int = Field(default=20, gt=0)
    subscription_queue_max: int = Field(default=256, gt=0)


def _limits() -> Limits:
    return Limits()


def _files() -> FileSettings:
    return FileSettings()


def _rerank() -> RerankSettings:
    return RerankSettings()


def role_url(url: SecretStr, role: str, password: SecretStr) -> SecretStr:
    """The same server and database, entered as another role; empty when there is no URL or no password."""
    if not len(url) or not len(password):
        return SecretStr("")
    parts = urlsplit(url.get_secret_value())
    place = parts.netloc.rpartition("@")[2]
    login = f"{role}:{quote(password.get_secret_value(), safe='')}"
    return SecretStr(urlunsplit(parts._replace(netloc=f"{login}@{place}")))


def _app_url(known: Mapping[str, Any]) -> SecretStr:
    return role_url(known["database_url"], APP_ROLE, known["app_password"])


def _relay_url(known: Mapping[str, Any]) -> SecretStr:
    return role_url(known["database_url"], RELAY_ROLE, known["relay_password"])


def _broker_url(known: Mapping[str, Any]) -> SecretStr:
    """Dramatiq's maintenance runs KEYS, so the broker has a database of its own."""
    url: SecretStr = known["redis_url"]
    if not len(url):
        return url
    return SecretStr(urlunsplit(urlsplit(url.get_secret_value())._replace(path="/1")))


def _introspection(known: Mapping[str, Any]) -> Introspection:
    return "everyone" if known["dev"] else "developers"


def _own_url(known: Mapping[str, Any]) -> str:
    return f"http://{known['host']}:{known['port']}/"


def _dev(known: Mapping[str, Any]) -> bool:
    return bool(known["dev"])


class Settings(BaseSettings):
    """Everything the environment decides. An empty URL or secret means that it was not given.

    Database URLs read `postgresql://role:password@host:port/database`, whatever driver suffix was given.
    """

    model_config = _CONFIG

    app_password: SecretStr = SecretStr("")
    relay_password: SecretStr = SecretStr("")
    database_url: SecretStr = Field(default=SecretStr(""), validation_alias="DATABASE_URL")
    database_app_url: SecretStr = Field(default_factory=_app_url, validation_alias="DATABASE_APP_URL")
    database_relay_url: SecretStr = Field(default_factory=_relay_url, validation_alias="DATABASE_RELAY_URL")
    redis_url: SecretStr = Field(default=SecretStr(""), validation_alias="REDIS_URL")
    broker_url: SecretStr = Field(default_factory=_broker_url, validation_alias="BROKER_URL")

    weaviate_url: str = Field(default="", validation_alias="WEAVIATE_URL")
    weaviate_grpc_url: str = Field(default="", validation_alias="WEAVIATE_GRPC_URL")
    weaviate_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="WEAVIATE_API_KEY")

    secret: SecretStr = SecretStr("")
    data_dir: Path = Path(".fabula")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    public_url: str = ""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    dev: bool = False
    introspection: Introspection = Field(default_factory=_introspection)
    log_level: LogLevel = "INFO"

    lease_s: float = Field(default=5.0, gt=0)
    worker_threads: int = Field(default=32, gt=0)
    tenant_concurrency: int = Field(default=16, gt=0)
    ingestions_max: int = Field(default=4, gt=0)
    trusted_documents: Path | None = None
    first_party_mode: DocumentMode = DocumentMode.LOG
    audit_days: int = Field(default=400, ge=audit.RETENTION_DAYS_MIN)
    usage_days: int = Field(default=400, ge=RETENTION_DAYS_MIN)
    simulated_payments: bool = Field(default_factory=_dev)
    starting_credit_micros: int = Field(default=5_000_000, ge=0)
    entitlements: EntitlementsMode = "open"
    compiled_execution: bool = True
    sql_plans: bool = True
    demo_delay_s: float = Field(default=0.02, ge=0)
    otlp: bool = Field(default=False)
    trace_ratio: float = Field(default=0.1, ge=0, le=1)
    metrics_port: int = Field(default=0, ge=0, le=65_535)

    seller_name: str = "Fabula"
    seller_address: str = ""
    seller_tax_id: str = ""
    invoice_font: Path | None = None
    invoice_due_days: int = Field(default=14, ge=0, le=365)
    invoice_grace_days: int = Field(default=7, ge=0, le=365)

    smtp_url: SecretStr = SecretStr("")
    mail_from: str = "Fabula <fabula@localhost>"

    provider_base_url: str = Field(default="", validation_alias="FABULA_OPENAI_BASE_URL")
    provider_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="FABULA_OPENAI_API_KEY")
    provider_model: str = Field(default="", validation_alias="FABULA_OPENAI_MODEL")
    openai_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="OPENAI_API_KEY")
    dashscope_api_key: SecretStr = Field(default=SecretStr(""), validation_alias="DASHSCOPE_API_KEY")

    stripe_secret_key: SecretStr = SecretStr("")
    stripe_webhook_secret: SecretStr = Field(default=SecretStr(""), validate_default=True)
    stripe_api_url: str = ""
    payment_return_url: str = Field(default_factory=_own_url)

    channel_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    channel_key_references_only: bool = False
    private_channels: bool = Field(default_factory=_dev)

    limits: Limits = Field(default_factory=_limits)
    files: FileSettings = Field(default_factory=_files)
    rerank: RerankSettings = Field(default_factory=_rerank)

    @field_validator("database_url", "database_app_url", "database_relay_url")
    @classmethod
    def _as_postgresql(cls, value: SecretStr) -> SecretStr:
        scheme, separator, rest = value.get_secret_value().partition("://")
        if separator and scheme in _POSTGRES_SCHEMES:
            return SecretStr(f"postgresql://{rest}")
        if not value.get_secret_value():
            return value
        raise ValueError("must be a URL like postgresql://role:password@host:5432/database")

    @field_validator("redis_url")
    @classmethod
    def _as_redis(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and urlsplit(value.get_secret_value()).scheme not in _REDIS_SCHEMES:
            raise ValueError("must be a URL like redis://:password@host:6379/0")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _as_smtp(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if value.get_secret_value() and not (parts.scheme in _SMTP_SCHEMES and parts.hostname):
            raise ValueError("must be a URL like smtp://user:password@host:587 or smtps://host")
        return value

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _with_its_key(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if bool(len(value)) != bool(len(info.data.get("stripe_secret_key", ""))):
            raise ValueError("must be set with FABULA_STRIPE_SECRET_KEY, and not without it")
        return value

    @field_validator("stripe_api_url", "payment_return_url", "public_url", "weaviate_url", "weaviate_grpc_url")
    @classmethod
    def _as_http(cls, value: str) -> str:
        return http_url(value)

    @field_validator("weaviate_grpc_url")
    @classmethod
    def _a_door_of_its_own(cls, value: str, info: ValidationInfo) -> str:
        if value and urlsplit(value).netloc == urlsplit(info.data.get("weaviate_url", "")).netloc:
            raise ValueError("must not be the same port as WEAVIATE_URL: the client refuses that")
        return value

    @field_validator("mail_from")
    @classmethod
    def _has_an_address(cls, value: str) -> str:
        address = parseaddr(value)[1]
        if address.count("@") != 1 or address.startswith("@") or address.endswith("@"):
            raise ValueError("must be an address like Fabula <mail@example.org>")
        return value

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value) < _SECRET_CHARACTERS_MIN:
            raise ValueError(f"must have at least {_SECRET_CHARACTERS_MIN} characters")
        return value

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("channel_keys", mode="before")
    @classmethod
    def _master_keys(cls, value: object) -> object:
        """Keys that others are sealed with, the newest first: base64 of 32 bytes each, between commas."""
        if not isinstance(value, str):
            return value
        keys = tuple(part.strip() for part in value.split(",") if part.strip())
        if not all(len(_from_base64(one)) == _MASTER_KEY_BYTES for one in keys):
            raise ValueError(f"must be base64 of {_MASTER_KEY_BYTES} bytes; several are separated by commas")
        return tuple(SecretStr(one) for one in keys)

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @classmethod
    def read(cls) -> Self:
        """Read the environment. Raises SettingsError."""
        try:
            return cls()
        except ValidationError as error:
            at_fault = [one for one in error.errors() if one["type"] != "default_factory_not_called"]
            model = {part.__name__: part for part in (Limits, FileSettings, RerankSettings)}.get(error.title, cls)
            lines = [f"{_variable(model, one['loc'])}: {one['msg'].removeprefix('Value error, ')}" for one in at_fault]
            raise SettingsError("\n".join(lines)) from None

    def as_variables(self) -> dict[str, str]:
        """What a child process must find in its environment to see the same servers and secrets."""
        return {
            "DATABASE_URL": self.database_url.get_secret_value(),
            "DATABASE_APP_URL": self.database_app_url.get_secret_value(),
            "DATABASE_RELAY_URL": self.database_relay_url.get_secret_value(),
            "REDIS_URL": self.redis_url.get_secret_value(),
            "BROKER_URL": self.broker_url.get_secret_value(),
            "FABULA_APP_PASSWORD": self.app_password.get_secret_value(),
            "FABULA_RELAY_PASSWORD": self.relay_password.get_secret_value(),
            "FABULA_SECRET": self.secret.get_secret_value(),
            "FABULA_DATA_DIR": str(self.data_dir),
            "FABULA_HOST": self.host,
            "FABULA_PORT": str(self.port),
            "FABULA_DEV": "1" if self.dev else "0",
            "FABULA_CHANNEL_KEYS": ",".join(one.get_secret_value() for one in self.channel_keys),
        }

    @property
    def invoice_terms(self) -> InvoiceTerms:
        """Who issues invoices, and when they are to be paid. The address may have several lines, given as `\\n`."""
        seller = Seller(self.seller_name, self.seller_address.replace("\\n", "\n"), self.seller_tax_id)
        return InvoiceTerms(seller, self.invoice_due_days, self.invoice_grace_days)

    @property
    def tenant_ingestions(self) -> int:
        """How many a tenant may have in hand: whatever it brings, others' documents find room in a worker."""
        return max(1, self.ingestions_max // 2)

    @property
    def master_keys(self) -> tuple[bytes, ...]:
        """The keys that channels' keys are sealed with, the newest first."""
        return tuple(_from_base64(one.get_secret_value()) for one in self.channel_keys)


def _variable(model: type[BaseSettings], location: tuple[int | str, ...]) -> str:
    """The environment variable behind the location of a pydantic error."""
    name = str(location[0])
    if name not in model.model_fields:
        return name
    return str(model.model_fields[name].validation_alias or f"{model.model_config['env_prefix']}{name.upper()}")


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def secret_named(reference: str) -> str:
    """What `env:NAME` or `file:PATH` leads to. Raises ValueError, which never shows the secret."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name, "")
    elif kind == "file":
        value = _file_text(reference, Path(name))
    else:
        raise ValueError("a reference begins with env: or file:")
    if not value.strip():
        raise ValueError(f"{reference} leads to nothing")
    return value.strip()


def _file_text(reference: str, path: Path) -> str:
    try:
        if not path.is_file():
            raise ValueError(f"{reference} leads to no file")
        with path.open("rb") as file:
            content = file.read(SECRET_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ValueError(f"{reference} cannot be read: {error.strerror}") from None
    if len(content) > SECRET_FILE_BYTES_MAX:
        raise ValueError(f"{reference} leads to a file of more than {SECRET_FILE_BYTES_MAX >> 10} KiB")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{reference} leads to a file that is no text") from None


def environment_with(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process: ours with some variables changed."""
    return {**os.environ, **changes}
