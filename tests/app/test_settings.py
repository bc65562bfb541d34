"""What the environment may say, and what never shows."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.settings import Settings, SettingsError
from domain.invoices import InvoiceTerms, Seller
from tests.app.processes import TREE

LAYERS = ("app", "resolvers", "workers", "schema", "persistence", "adapters", "domain")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("FABULA_") or name.endswith(("_URL", "_API_KEY")):
            monkeypatch.delenv(name)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.read()
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8000, Path(".fabula"))
    assert (settings.lease_s, settings.worker_threads, settings.tenant_concurrency) == (5.0, 32, 16)
    assert (settings.ingestions_max, settings.tenant_ingestions) == (4, 2)
    assert (settings.dev, settings.log_level, settings.allowed_origins) == (False, "INFO", ())
    assert not len(settings.database_url) + len(settings.redis_url) + len(settings.secret)


def test_the_limits_are_those_of_the_api_page() -> None:
    assert Settings.read().limits.model_dump() == {
        "body_bytes_max": 1_048_576,
        "ws_message_bytes_max": 65_536,
        "ws_init_timeout_s": 5.0,
        "ws_ping_interval_s": 15.0,
        "query_depth_max": 15,
        "query_tokens_max": 1000,
        "query_aliases_max": 15,
        "query_directives_max": 5,
        "query_cost_max": 5_000,
        "cost_bucket_max": 10_000,
        "cost_restored_per_s": 500.0,
        "query_timeout_s": 10.0,
        "mutation_timeout_s": 30.0,
        "connection_subscriptions_max": 50,
        "user_subscriptions_max": 200,
        "user_connections_max": 20,
        "subscription_queue_max": 256,
    }


@pytest.mark.parametrize(("dev", "said", "answered"), [
    ("1", None, "everyone"), ("0", None, "developers"), ("1", "nobody", "nobody"), ("0", "everyone", "everyone")
])  # fmt: skip
def test_the_schema_is_shown_to_developers_and_while_developing_to_everyone(
    monkeypatch: pytest.MonkeyPatch, dev: str, said: str | None, answered: str
) -> None:
    monkeypatch.setenv("FABULA_DEV", dev)
    if said:
        monkeypatch.setenv("FABULA_INTROSPECTION", said)
    assert Settings.read().introspection == answered


@pytest.mark.parametrize(("dev", "said", "answered"), [
    ("1", None, True), ("0", None, False), ("1", "0", False), ("0", "1", True)
])  # fmt: skip
def test_payments_are_simulated_while_developing_and_where_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch, dev: str, said: str | None, answered: bool
) -> None:
    monkeypatch.setenv("FABULA_DEV", dev)
    if said:
        monkeypatch.setenv("FABULA_SIMULATED_PAYMENTS", said)
    assert Settings.read().simulated_payments is answered


def test_the_seller_and_the_days_of_invoices_are_set_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.read().invoice_terms == InvoiceTerms(Seller("Fabula"), 14, 7)
    monkeypatch.setenv("FABULA_SELLER_NAME", "Inkwell Ltd")
    monkeypatch.setenv("FABULA_SELLER_ADDRESS", r"1 Quay Street\nWellington")
    monkeypatch.setenv("FABULA_SELLER_TAX_ID", "NZ 1")
    monkeypatch.setenv("FABULA_INVOICE_DUE_DAYS", "0")
    monkeypatch.setenv("FABULA_INVOICE_GRACE_DAYS", "30")
    assert Settings.read().invoice_terms == InvoiceTerms(
        Seller("Inkwell Ltd", "1 Quay Street\nWellington", "NZ 1"), 0, 30
    )


@pytest.mark.parametrize("given", ["SECRET_KEY", "WEBHOOK_SECRET"])
def test_stripes_key_and_the_secret_of_its_events_come_together(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(f"FABULA_STRIPE_{given}", "planted-half")
    with pytest.raises(SettingsError, match="FABULA_STRIPE_WEBHOOK_SECRET") as refused:
        Settings.read()
    assert "planted-half" not in str(refused.value)
    monkeypatch.setenv("FABULA_STRIPE_SECRET_KEY", "sk_test_whole")
    monkeypatch.setenv("FABULA_STRIPE_WEBHOOK_SECRET", "whsec_whole")
    assert "whole" not in repr(Settings.read())


def test_who_has_paid_comes_back_to_the_site_itself_unless_it_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABULA_PORT", "8123")
    assert Settings.read().payment_return_url == "http://127.0.0.1:8123/"
    monkeypatch.setenv("FABULA_PAYMENT_RETURN_URL", "javascript:alert(1)")
    with pytest.raises(SettingsError, match="FABULA_PAYMENT_RETURN_URL"):
        Settings.read()


def test_a_limit_can_be_set_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABULA_QUERY_DEPTH_MAX", "7")
    assert Settings.read().limits.query_depth_max == 7


def test_our_own_clients_send_anything_unless_the_site_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Settings.read().first_party_mode, Settings.read().trusted_documents) == ("LOG", None)
    monkeypatch.setenv("FABULA_FIRST_PARTY_MODE", "REQUIRE")
    monkeypatch.setenv("FABULA_TRUSTED_DOCUMENTS", "/srv/documents.json")
    settings = Settings.read()
    assert (settings.first_party_mode, settings.trusted_documents) == ("REQUIRE", Path("/srv/documents.json"))
    monkeypatch.setenv("FABULA_FIRST_PARTY_MODE", "SOMETIMES")
    with pytest.raises(SettingsError, match="FABULA_FIRST_PARTY_MODE"):
        Settings.read()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_the_roles_enter_the_migrators_database_with_their_own_passwords(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://owner:p%40ss@db.example:6000/novels?sslmode=require")
    monkeypatch.setenv("FABULA_APP_PASSWORD", "a/b@c")
    settings = Settings.read()
    place = "db.example:6000/novels?sslmode=require"
    assert settings.database_url.get_secret_value() == f"postgresql://owner:p%40ss@{place}"
    assert settings.database_app_url.get_secret_value() == f"postgresql://fabula_app:a%2Fb%40c@{place}"
    assert settings.database_relay_url.get_secret_value() == ""  # its password was not given


def test_a_role_url_that_is_given_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://owner:x@one/novels")
    monkeypatch.setenv("DATABASE_APP_URL", "postgresql://pooled:y@two/novels")
    monkeypatch.setenv("FABULA_APP_PASSWORD", "z")
    assert Settings.read().database_app_url.get_secret_value() == "postgresql://pooled:y@two/novels"


@pytest.mark.parametrize("given", ["redis://:p@r:7000", "redis://:p@r:7000/", "redis://:p@r:7000/0"])
def test_the_broker_has_database_1_of_the_streams_server(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("REDIS_URL", given)
    assert Settings.read().broker_url.get_secret_value() == "redis://:p@r:7000/1"


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABULA_ALLOWED_ORIGINS", "https://a.example, https://b.example,")
    assert Settings.read().allowed_origins == ("https://a.example", "https://b.example")


def test_every_variable_at_fault_is_named_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://owner:hidden-1@db/novels")
    monkeypatch.setenv("REDIS_URL", "http://hidden-2")
    monkeypatch.setenv("FABULA_SECRET", "hidden-3")
    monkeypatch.setenv("FABULA_PORT", "hidden-4")
    monkeypatch.setenv("FABULA_SMTP_URL", "http://user:hidden-5@mail")
    monkeypatch.setenv("FABULA_MAIL_FROM", "hidden-6")
    with pytest.raises(SettingsError) as raised:
        Settings.read()
    message = str(raised.value)
    assert [line.split(":")[0] for line in message.splitlines()] == [
        "DATABASE_URL", "REDIS_URL", "FABULA_SECRET", "FABULA_PORT", "FABULA_SMTP_URL", "FABULA_MAIL_FROM",
    ]  # fmt: skip
    assert "hidden" not in message


def test_no_secret_is_printed() -> None:
    settings = Settings(
        database_url=SecretStr("postgresql://owner:hidden@db/novels"),
        app_password=SecretStr("hidden"),
        redis_url=SecretStr("redis://:hidden@r"),
        secret=SecretStr("hidden" * 6),
        openai_api_key=SecretStr("hidden"),
    )
    assert "hidden" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_a_child_that_is_given_the_variables_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        database_url=SecretStr("postgresql://owner:x@db/novels"),
        app_password=SecretStr("one"),
        relay_password=SecretStr("two"),
        redis_url=SecretStr("redis://:y@r/0"),
        secret=SecretStr("s" * 32),
        data_dir=Path("/somewhere"),
        port=8123,
        dev=True,
    )
    for name, value in settings.as_variables().items():
        monkeypatch.setenv(name, value)
    assert Settings.read() == settings


def _environment_readers() -> Iterator[str]:
    for path in (path for layer in LAYERS for path in (TREE / layer).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "getenvb"}:
                yield str(path.relative_to(TREE))


def test_only_the_settings_read_the_environment() -> None:
    assert set(_environment_readers()) == {"app/settings.py"}


def test_the_index_outside_postgresql_is_named_by_its_two_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEAVIATE_URL", "https://index.example.org")
    assert Settings.read().weaviate_grpc_url == ""
    monkeypatch.setenv("WEAVIATE_GRPC_URL", "https://index.example.org")
    with pytest.raises(SettingsError, match="WEAVIATE_GRPC_URL: must not be the same port as WEAVIATE_URL"):
        Settings.read()
    monkeypatch.setenv("WEAVIATE_GRPC_URL", "https://grpc.example.org")
    assert Settings.read().weaviate_grpc_url == "https://grpc.example.org"
    monkeypatch.setenv("WEAVIATE_URL", "index.example.org:8080")
    with pytest.raises(SettingsError, match="WEAVIATE_URL: must be a URL like"):
        Settings.read()
