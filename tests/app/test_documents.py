"""`documents push` and `documents check`: what gets into a registry, and what stops a deploy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from sqlalchemy import text as sql

from app import documents, migrate
from app.cli import parser
from app.embedded import PostgresServer
from app.manifest import ManifestError, first_party_documents, manifest_of
from app.settings import Settings
from domain.accounts import GRANTS, Actor, Role, Tenant
from domain.ids import TenantId, UserId, new_id
from domain.integrations import ClientApp, ClientAppDraft, create_client_app, document_hash
from persistence.database import Database
from persistence.unit_of_work import Units
from schema.ids import encode_id

SHELF = "query Shelf { projects { edges { node { title } } } }"
BROKEN = "query Gone { projects { nothing } }"
PORT_OF_NOBODY = "postgresql://postgres:secret@127.0.0.1:1/fabula"


def sha(text: str) -> str:
    return f"sha256:{document_hash(text)}"


@dataclass
class Desk:
    """An operator before a database that has one client application."""

    settings: Settings
    admin: Database
    app: ClientApp

    async def run(self, *words: str) -> int:
        args = parser().parse_args(["documents", *words])
        return await asyncio.to_thread(documents.main, self.settings, args)

    async def rows(self, table: str, where: str = "true") -> list[Any]:
        return list(await self.admin.platform_rows(sql(f"select * from app.{table} where {where} order by hash")))

    async def plant(self, text: str = BROKEN, name: str = "Gone") -> None:
        """A document that an older schema took into the application's registry."""
        async with self.admin.engine.begin() as connection:
            await connection.execute(
                sql(
                    "insert into app.trusted_documents "
                    "(tenant_id, id, client_app_id, hash, name, text, cost, scopes, fields, fingerprint) "
                    "values (:t, gen_random_uuid(), :a, :h, :n, :x, 1, '[]', '[]', 'older')"
                ),
                {"t": self.app.tenant_id, "a": self.app.id, "h": document_hash(text), "n": name, "x": text},
            )

    async def plant_first_party(self, *, bundled: bool) -> None:
        async with self.admin.engine.begin() as connection:
            await connection.execute(
                sql(
                    "insert into app.platform_documents (hash, name, text, cost, scopes, fields, fingerprint, bundled) "
                    "values (:h, 'Gone', :x, 1, '[]', '[]', 'older', :b)"
                ),
                {"h": document_hash(BROKEN), "x": BROKEN, "b": bundled},
            )


@pytest.fixture
async def desk(settings: Settings, admin: Database, units: Units) -> AsyncIterator[Desk]:
    tenant_id = TenantId(new_id())
    actor = Actor(tenant_id, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
    async with units(tenant_id) as uow:
        await uow.accounts.add_tenant(Tenant(tenant_id, str(tenant_id), "Studio"))
        app = await create_client_app(uow.integrations, actor, ClientAppDraft("Reader"))
    yield Desk(settings, admin, app)
    async with admin.engine.begin() as connection:
        await connection.execute(sql("delete from app.trusted_documents"))
        await connection.execute(sql("delete from app.platform_documents"))


def manifest(path: Path, *texts: str, **more: str) -> str:
    path.write_text(json.dumps({sha(text): text for text in texts} | more), encoding="utf-8")
    return str(path)


async def test_a_manifest_is_pushed_to_our_own_clients(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await desk.run("push", manifest(tmp_path / "m.json", SHELF)) == 0
    assert capsys.readouterr().out == "1 registered for first-party, 0 rejected\n"
    [row] = await desk.rows("platform_documents")
    assert (row.hash, row.name, row.bundled, row.scopes) == (document_hash(SHELF), "Shelf", False, ["read"])
    assert row.fields == ["Project.title", "ProjectConnection.edges", "ProjectEdge.node", "Query.projects"]


@pytest.mark.parametrize("form", ["global", "uuid"])
async def test_a_manifest_is_pushed_to_a_client_application(
    desk: Desk, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = encode_id("ClientApp", desk.app.id) if form == "global" else str(desk.app.id)
    assert await desk.run("push", manifest(tmp_path / "m.json", SHELF), "--app", app) == 0
    assert capsys.readouterr().out == f"1 registered for {app}, 0 rejected\n"
    [row] = await desk.rows("trusted_documents")
    assert (row.tenant_id, row.client_app_id, row.name) == (desk.app.tenant_id, desk.app.id, "Shelf")


async def test_what_cannot_be_pushed_is_named(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "sha256:" + "0" * 64
    assert await desk.run("push", manifest(tmp_path / "m.json", BROKEN, **{wrong: SHELF})) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"rejected Gone ({sha(BROKEN)}): Cannot query field 'nothing' on type 'ProjectConnection'.",
        f"rejected Shelf ({wrong}): The hash is not the SHA-256 of the text.",
    ]


@pytest.mark.parametrize("content", ["", "[]", '{"sha256:x": 5}', "nonsense", None])
async def test_a_file_that_is_no_manifest_is_refused(desk: Desk, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "m.json"
    if content is not None:
        path.write_text(content)
    assert await desk.run("push", str(path)) == 1
    assert await desk.rows("platform_documents") == []


async def test_an_application_that_is_not_there_gets_nothing(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for app in (str(new_id()), "nonsense"):
        assert await desk.run("push", manifest(tmp_path / "m.json", SHELF), "--app", app) == 1
        assert capsys.readouterr().err != ""


async def test_a_check_keeps_what_it_measured(desk: Desk) -> None:
    await desk.plant(SHELF, "Shelf")
    assert await desk.run("check") == 0
    [row] = await desk.rows("trusted_documents")
    assert row.fingerprint != "older"
    assert row.cost > 1
    assert (row.scopes, row.fields[0]) == (["read"], "Project.title")
    ours = {document_hash(one.text) for one in manifest_of(desk.settings)}
    assert {row.hash for row in await desk.rows("platform_documents", "bundled")} == ours


async def test_a_document_that_the_schema_breaks_is_named_and_nothing_is_kept(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    await desk.plant()
    await desk.plant(SHELF, "Shelf")
    assert await desk.run("check") == 1
    assert capsys.readouterr().err == (
        f"broken: Gone ({sha(BROKEN)}) of Reader: Cannot query field 'nothing' on type 'ProjectConnection'.\n"
    )
    assert {row.fingerprint for row in await desk.rows("trusted_documents")} == {"older"}
    assert await desk.rows("platform_documents") == []


async def test_it_stops_the_deploy(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    args = parser().parse_args(["migrate"])
    async with desk.admin.engine.begin() as connection:
        await connection.execute(sql("delete from app.channels"))  # `migrate` makes the demo channel under its own id
    assert await asyncio.to_thread(migrate.main, desk.settings, args) == 0
    await desk.plant()
    assert await asyncio.to_thread(migrate.main, desk.settings, args) == 1
    assert "broken: Gone" in capsys.readouterr().err


async def test_retired_documents_and_deleted_applications_stop_nothing(desk: Desk) -> None:
    await desk.plant()
    for change in ("trusted_documents set retired_at = now()", "trusted_documents set retired_at = null"):
        async with desk.admin.engine.begin() as connection:
            await connection.execute(sql(f"update app.{change}"))
            if change.endswith("null"):
                await connection.execute(sql("update app.client_apps set deleted_at = now()"))
        assert await desk.run("check") == 0


@pytest.mark.parametrize("bundled", [True, False])
async def test_an_older_manifests_document_is_retired_and_a_pushed_one_stops_the_deploy(
    desk: Desk, bundled: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    await desk.plant_first_party(bundled=bundled)
    assert await desk.run("check") == (0 if bundled else 1)
    [row] = await desk.rows("platform_documents", "name = 'Gone'")
    assert (row.retired_at is not None) is bundled
    assert ("of first-party" in capsys.readouterr().err) is not bundled


async def test_a_manifest_that_the_schema_breaks_stops_the_deploy(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = manifest(tmp_path / "m.json", BROKEN)
    desk.settings = desk.settings.model_copy(update={"trusted_documents": Path(path)})
    assert await desk.run("check") == 1
    assert f"broken: Gone ({sha(BROKEN)}) of first-party" in capsys.readouterr().err


def test_a_process_does_not_start_with_a_manifest_whose_hashes_are_wrong(settings: Settings, tmp_path: Path) -> None:
    def given(path: str) -> dict[str, str]:
        return first_party_documents(settings.model_copy(update={"trusted_documents": Path(path)}))

    assert given(manifest(tmp_path / "good.json", SHELF)) == {document_hash(SHELF): SHELF}
    with pytest.raises(ManifestError, match="is not the SHA-256 of its text"):
        given(manifest(tmp_path / "bad.json", **{sha(BROKEN): SHELF}))
    with pytest.raises(ManifestError, match="No such file"):
        given(str(tmp_path / "none.json"))


async def test_the_applications_role_is_enough_for_an_application_and_for_nothing_else(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.settings = desk.settings.model_copy(update={"database_url": desk.settings.database_app_url})
    file = manifest(tmp_path / "m.json", SHELF)
    assert await desk.run("push", file, "--app", str(desk.app.id)) == 0
    assert len(await desk.rows("trusted_documents")) == 1
    for words in (("push", file), ("check",)):
        assert await desk.run(*words) == 1
        assert capsys.readouterr().err.startswith("fabula: the database does not do this: permission denied ")
    assert await desk.rows("platform_documents") == []


async def test_without_a_url_the_server_of_the_data_directory_is_taken(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.settings = desk.settings.model_copy(update={"database_url": SecretStr(""), "data_dir": tmp_path})
    assert await desk.run("check") == 2
    assert capsys.readouterr().err == f"fabula: documents needs DATABASE_URL, or a running `up` in {tmp_path}\n"
    url = urlsplit(PORT_OF_NOBODY)
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "port").write_text(str(url.port))
    (tmp_path / "postgres" / "password").write_text(str(url.password))
    assert PostgresServer(tmp_path / "postgres").last_url() == PORT_OF_NOBODY
    assert await desk.run("check") == 1
    assert capsys.readouterr().err.startswith("fabula: ")
