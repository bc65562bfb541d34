"""`documents push` fills a registry from a manifest; `documents check` says whether every registered document still
fits the schema. `migrate` checks as well, so that a document which a new schema breaks stops the deploy.
`documents explain` says how a query is answered: see `app.explain`.

The first two work as the migrator: DATABASE_URL, or the server that `up` has started in the data directory. The application's
role is enough for pushing to a client application.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from app.embedded import PostgresServer
from app.explain import app_url, explain
from app.graphql.documents import Documents
from app.graphql.errors import DocumentRefused
from app.graphql.measure import Measures, name_in
from app.manifest import ManifestError, checked, manifest_of, read_manifest
from app.settings import Settings
from domain.errors import Rejected
from domain.ids import ClientAppId, TenantId
from domain.integrations import (
    FIRST_PARTY,
    SHA256,
    Measured,
    Submitted,
    Unfit,
    document_hash,
    enter_documents,
    measured_all,
)
from persistence.database import OUTAGES, create_engine
from persistence.integrations import registry
from persistence.integrations.registry import FIRST_PARTY_NAME, Entry
from resolvers.root import build_schema
from schema.ids import decode_id


def main(settings: Settings, args: argparse.Namespace) -> int:
    if args.action == "explain":
        url, needs = app_url(settings), "DATABASE_APP_URL"
    else:
        url, needs = migrator_url(settings), "DATABASE_URL"
    if not url:
        print(f"fabula: documents needs {needs}, or a running `up` in {settings.data_dir}", file=sys.stderr)
        return 2
    try:
        return asyncio.run(_run(settings, args, url))
    except (ManifestError, Rejected, DocumentRefused) as error:
        print(f"fabula: {error}", file=sys.stderr)
    except OUTAGES as error:
        reason = str(getattr(error, "orig", None) or error).rpartition("Error'>: ")[2]
        print(f"fabula: the database does not do this: {reason}", file=sys.stderr)
    return 1


def migrator_url(settings: Settings) -> str:
    return settings.database_url.get_secret_value() or PostgresServer(settings.data_dir / "postgres").last_url() or ""


async def _run(settings: Settings, args: argparse.Namespace, url: str) -> int:
    if args.action == "explain":
        return await explain(settings, args, url, TenantId(_uuid_of("Tenant", args.tenant)))
    engine = create_engine(url, pool_size=0, application="fabula-documents")
    try:
        if args.action == "push":
            return await _push(engine, settings, args.file, args.app)
        code = await check(engine, settings)
    finally:
        await engine.dispose()
    if not code:
        print("every registered document fits the schema")
    return code


def measures_of(settings: Settings) -> Measures:
    schema = build_schema()._schema
    return Measures(schema, Documents(schema, settings.limits))


# -- push ------------------------------------------------------------------------------------------------------------


async def _push(engine: AsyncEngine, settings: Settings, path: Path, app: str) -> int:
    documents = read_manifest(path)
    good, bad = measured_all(documents, measures_of(settings))
    await _enter(engine, app, good)
    names = {one.hash: name_in(one.text) for one in documents}
    for one in bad:
        print(f"rejected {_named(names.get(one.hash, ''), one.hash)}: {one.reason}", file=sys.stderr)
    print(f"{len(good)} registered for {app}, {len(bad)} rejected")
    return 1 if bad else 0


async def _enter(engine: AsyncEngine, app: str, documents: Sequence[Measured]) -> None:
    if app == FIRST_PARTY_NAME:
        await registry.put_first_party(engine, documents, bundled=False)
        return
    app_id = ClientAppId(_uuid_of("ClientApp", app))
    tenant_id = await registry.tenant_of(engine, app_id)
    if tenant_id is None:
        raise ManifestError(f"there is no client application {app}")
    async with registry.store_of(engine, tenant_id) as store:
        await enter_documents(store, app_id, documents)


def _uuid_of(type_name: str, text: str) -> UUID:
    """A global id, or the bare UUID of the table. Raises Rejected."""
    try:
        return UUID(text)
    except ValueError:
        return decode_id(type_name, text)


# -- check -----------------------------------------------------------------------------------------------------------


@dataclass
class Review:
    """What a schema makes of all documents. `broken` has a sentence for each that stops the deploy."""

    broken: list[str] = field(default_factory=list)
    renewed: list[tuple[Entry, Measured]] = field(default_factory=list)
    bundled: list[Measured] = field(default_factory=list)
    left_behind: list[Entry] = field(default_factory=list)


async def review(engine: AsyncEngine, measures: Measures, manifest: Sequence[Submitted]) -> Review:
    """Measure the manifest, and every registered document that was measured against another schema."""
    found = Review()
    known = await registry.measured_bundle(engine, measures.fingerprint)
    found.bundled, bad = measured_all([one for one in manifest if document_hash(one.text) not in known], measures)
    names = {one.hash: name_in(one.text) for one in manifest}
    found.broken += [_sentence(names[one.hash], one.hash, FIRST_PARTY_NAME, one.reason) for one in bad]
    ours = {one.hash for one in found.bundled}
    async for entry in registry.outdated(engine, measures.fingerprint):
        if entry.app_id == FIRST_PARTY and entry.hash in ours:
            continue
        try:
            found.renewed.append((entry, measures(entry.text)))
        except Unfit as error:
            if entry.bundled:
                found.left_behind.append(entry)
            else:
                found.broken.append(_sentence(entry.name, SHA256 + entry.hash, entry.app, str(error)))
    return found


def _named(name: str, hash_: str) -> str:
    return f"{name} ({hash_})" if name else hash_


def _sentence(name: str, hash_: str, app: str, reason: str) -> str:
    return f"{_named(name, hash_)} of {app}: {reason}"


async def apply(engine: AsyncEngine, found: Review) -> None:
    """Keep what a review without faults found. Documents of older manifests that no longer fit are retired."""
    for entry, measured in found.renewed:
        await registry.renew(engine, entry, measured)
    for entry in found.left_behind:
        await registry.retire_first_party(engine, entry.hash)
    await registry.put_first_party(engine, found.bundled, bundled=True)


async def check(engine: AsyncEngine, settings: Settings) -> int:
    """Review everything; keep the result when all is well. The exit code: 1 when a document stops the deploy."""
    found = await review(engine, measures_of(settings), checked(manifest_of(settings)))
    for sentence in found.broken:
        print(f"broken: {sentence}", file=sys.stderr)
    if found.broken:
        return 1
    await apply(engine, found)
    return 0
