"""`documents explain`: how the API would answer a query of a tenant, and PostgreSQL's plan for it.

Works as the application's role, inside the tenant, as the API does: DATABASE_APP_URL, or the server that `up` has
started in the data directory.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from pydantic import SecretStr

from app.embedded import PostgresServer
from app.graphql.cost import Costs
from app.graphql.documents import Documents
from app.graphql.explain import Planning, Verdict
from app.graphql.request import GraphQLRequest
from app.graphql.sqlplan import SqlPlans
from app.manifest import ManifestError, manifest_of
from app.settings import APP_ROLE, Settings, role_url
from app.supervisor.files import keep_secrets
from domain.errors import ErrorCode, Rejected
from domain.ids import TenantId
from domain.integrations import SHA256, read_hash
from persistence.accounts.reads import TENANTS_BY_ID
from persistence.database import Database, create_engine
from persistence.integrations.reads import registered_anywhere, registered_first_party
from resolvers.reads import LOOKUPS
from resolvers.root import build_schema


def app_url(settings: Settings) -> str:
    """The database as the application's role; empty when it is not known."""
    if len(settings.database_app_url):
        return settings.database_app_url.get_secret_value()
    secrets = settings.data_dir / "secrets.json"
    password = keep_secrets(secrets).app_password if secrets.exists() else ""
    return role_url(SecretStr(server_url(settings)), APP_ROLE, SecretStr(password)).get_secret_value()


def server_url(settings: Settings) -> str:
    """The database as the migrator's role; empty when it is not known."""
    return settings.database_url.get_secret_value() or PostgresServer(settings.data_dir / "postgres").last_url() or ""


async def explain(settings: Settings, args: argparse.Namespace, url: str, tenant_id: TenantId) -> int:
    """Print it; the exit code. Raises Rejected, DocumentRefused and ManifestError."""
    database = Database(create_engine(url, pool_size=0, application="fabula-documents"))
    limit_s = settings.limits.query_timeout_s
    try:
        if not await database.shaped(tenant_id, TENANTS_BY_ID, ids=[tenant_id]):
            raise Rejected(ErrorCode.NOT_FOUND, f"There is no tenant {args.tenant}.")
        text = await _text(database, settings, tenant_id, args.document)
        verdict = _verdict(settings, GraphQLRequest(text, args.variables, args.operation))
        head = f"{verdict.engine}, cost at most {verdict.cost:,}"
        if verdict.shape is None:
            print(f"{head}: {verdict.reason}")
            return 0
        try:
            async with asyncio.timeout(limit_s):
                plan = await database.explained(
                    tenant_id, verdict.shape, "text", analyze=args.analyze, actor=None, **verdict.values or {}
                )
        except TimeoutError:
            raise Rejected(ErrorCode.LIMIT_REACHED, f"The query took longer than {limit_s:g} s.") from None
        print(f"{head}\n\n{verdict.shape.text}\n\n{plan}")
        return 0
    finally:
        await database.close()


async def _text(database: Database, settings: Settings, tenant_id: TenantId, document: str) -> str:
    """A document by its hash, from the product's own, the platform's and the tenant's registries; or a file's text."""
    hash_ = read_hash(document)
    if hash_ is None:
        return _of_file(Path(document))
    for one in manifest_of(settings):
        if read_hash(one.hash) == hash_:
            return one.text
    found = await database.platform_rows(registered_first_party(hash_))
    found = found or await database.rows(tenant_id, registered_anywhere(tenant_id, hash_))
    if not found:
        raise Rejected(ErrorCode.NOT_FOUND, f"There is no trusted document {SHA256}{hash_}.")
    return str(found[0].text)


def _of_file(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: {error}") from None


def _verdict(settings: Settings, request: GraphQLRequest) -> Verdict:
    schema = build_schema()._schema
    prepared = Documents(schema, settings.limits).prepare(request)
    costs = Costs(schema)
    plans = SqlPlans(schema, costs, LOOKUPS) if settings.sql_plans else None
    return Planning(schema, costs, plans, compiled=settings.compiled_execution).verdict(prepared)
