"""`documents push` and `documents check`: what gets into a registry, and what stops a deploy."""

from __future__ import annotations

import asyncio
import json
import re
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
from app.settings import Limits, Settings
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


# -- explain ---------------------------------------------------------------------------------------------------------


async def explained(desk: Desk, document: str, *words: str) -> int:
    return await desk.run("explain", document, "--tenant", str(desk.app.tenant_id), *words)


@pytest.fixture
def shelf(tmp_path: Path) -> str:
    path = tmp_path / "shelf.graphql"
    path.write_text("query Shelf($first: Int!) { projects(first: $first) { edges { node { title } } } }")
    return str(path)


async def test_a_query_in_a_file_is_explained_with_its_statement_and_plan(
    desk: Desk, shelf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await explained(desk, shelf, "--variables", '{"first": 4}') == 0
    head, statement, plan = capsys.readouterr().out.split("\n\n")
    assert head == "SQL_PLAN, cost at most 5"
    assert statement.startswith("with scope_ as materialized (select set_config('app.tenant_id', $")
    assert plan.startswith("Nested Loop  (cost=")
    assert "actual time" not in plan
    assert "InitPlan" in plan, "row security asks for the tenant"


async def test_it_is_analyzed_within_the_tenant_alone(
    desk: Desk, shelf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk.admin.engine.begin() as connection:
        for tenant_id, count in ((desk.app.tenant_id, 2), (await another_tenant(desk), 3)):
            await connection.execute(
                sql(
                    "insert into app.projects (tenant_id, id, title) "
                    "select :t, gen_random_uuid(), 'P' from generate_series(1, :n)"
                ),
                {"t": tenant_id, "n": count},
            )
    assert await explained(desk, shelf, "--variables", '{"first": 9}', "--analyze") == 0
    plan = capsys.readouterr().out
    [scan] = re.findall(r"Scan .*on projects .*\(actual time=\S+ rows=(\d+)(?:\.\d+)? loops=1\)", plan)
    assert scan == "2"
    assert "Execution Time: " in plan and "Buffers: " in plan


async def another_tenant(desk: Desk) -> TenantId:
    tenant_id = TenantId(new_id())
    async with desk.admin.engine.begin() as connection:
        await connection.execute(
            sql("insert into app.tenants (tenant_id, slug, name) values (:t, :s, 'Other')"),
            {"t": tenant_id, "s": str(tenant_id)},
        )
    return tenant_id


async def test_without_a_plan_the_reason_is_told(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.graphql"
    path.write_text("query A { me { role } } query B { projects { edges { node { id } } } }")
    assert await explained(desk, str(path), "--operation", "A") == 0
    assert capsys.readouterr().out == "COMPILED, cost at most 1: Query.me is worked out by the server.\n"
    desk.settings = desk.settings.model_copy(update={"sql_plans": False})
    assert await explained(desk, str(path), "--operation", "B") == 0
    assert capsys.readouterr().out == "COMPILED, cost at most 21: SQL plans are turned off.\n"


async def test_a_document_is_explained_by_its_hash(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text, app in ((SHELF, "first-party"), (SHELF + " ", str(desk.app.id))):
        assert await explained(desk, sha(text)) == 1
        assert capsys.readouterr().err == f"fabula: There is no trusted document {sha(text)}.\n"
        assert await desk.run("push", manifest(tmp_path / "m.json", text), "--app", app) == 0
        capsys.readouterr()
        assert await explained(desk, sha(text)) == 0
        assert capsys.readouterr().out.startswith("SQL_PLAN, cost at most 21\n")
    [bundled] = [one for one in manifest_of(desk.settings) if "query Queues " in one.text]
    assert await explained(desk, bundled.hash) == 0
    assert capsys.readouterr().out.endswith("Query.queues is worked out by the server.\n")


async def test_what_cannot_be_explained_is_named(
    desk: Desk, shelf: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "change.graphql").write_text('mutation { projectDelete(input: {id: "x"}) { project { id } } }')
    (tmp_path / "wrong.graphql").write_text("{ nothing me { nowhere } }")
    for words, said in (
        ((str(tmp_path / "none.graphql"),), f"{tmp_path / 'none.graphql'}: No such file or directory"),
        ((str(tmp_path / "change.graphql"),), "Only queries can be explained, and this is a mutation."),
        (
            (str(tmp_path / "wrong.graphql"),),
            "Cannot query field 'nothing' on type 'Query'. Cannot query field 'nowhere' on type 'Viewer'.",
        ),
        ((shelf,), "Variable '$first' has invalid value: Expected a value of non-null type 'Int!' to be provided."),
    ):
        assert await explained(desk, *words) == 1
        assert capsys.readouterr().err == f"fabula: {said}\n"
    stranger = new_id()
    assert await desk.run("explain", shelf, "--tenant", str(stranger)) == 1
    assert capsys.readouterr().err == f"fabula: There is no tenant {stranger}.\n"
    assert await desk.run("explain", shelf, "--tenant", "nonsense") == 1
    for wrong in ("[]", "nonsense"):
        with pytest.raises(SystemExit, match="2"):
            await explained(desk, shelf, "--variables", wrong)


async def test_a_statement_that_takes_too_long_is_ended(
    desk: Desk, shelf: str, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.settings = desk.settings.model_copy(update={"limits": Limits(query_timeout_s=0.5)})
    async with desk.admin.engine.begin() as connection:
        await connection.execute(sql("lock table app.projects in access exclusive mode"))
        async with asyncio.timeout(10):
            assert await explained(desk, shelf, "--variables", '{"first": 4}', "--analyze") == 1
    assert capsys.readouterr().err == "fabula: The query took longer than 0.5 s.\n"


async def test_the_applications_role_is_found_in_the_data_directory(
    desk: Desk, shelf: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = desk.settings
    nothing = {"database_url": SecretStr(""), "database_app_url": SecretStr(""), "data_dir": tmp_path}
    desk.settings = known.model_copy(update=nothing)
    assert await explained(desk, shelf) == 2
    assert capsys.readouterr().err == f"fabula: documents needs DATABASE_APP_URL, or a running `up` in {tmp_path}\n"
    kept = {"secret": "x", "app_password": known.app_password.get_secret_value(), "relay_password": "x"}
    (tmp_path / "secrets.json").write_text(json.dumps(kept))
    desk.settings = known.model_copy(update={**nothing, "database_url": known.database_url})
    assert await explained(desk, shelf, "--variables", '{"first": 4}') == 0
    assert "InitPlan" in capsys.readouterr().out
