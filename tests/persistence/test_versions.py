"""What the database refuses to do to a version of a text."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.accounts import GRANTS, Actor, Role
from domain.ids import TenantId, UserId, new_id
from domain.projects import OutlineKind
from domain.projects import service as projects
from persistence.accounts.tables import tenants
from persistence.database import Database
from persistence.unit_of_work import Units


@pytest.fixture
async def tenant(units: Units) -> TenantId:
    tenant_id = TenantId(new_id())
    async with units(tenant_id) as uow:
        await uow.accounts._session.execute(tenants.insert().values(tenant_id=tenant_id, slug=str(tenant_id), name="t"))
    return tenant_id


async def test_a_version_is_never_rewritten(admin: Database, units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        actor = Actor(tenant, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
        project = await projects.create_project(uow.projects, actor, projects.ProjectDraft("t"))
        node = await projects.create_node(
            uow.projects, actor, projects.NodeDraft(project.id, OutlineKind.CHAPTER, "One")
        )
        version = await projects.update_text(
            uow.projects, actor, node.id, text="first", base_version_id=None, note="", now=uow.now
        )
    async with admin.engine.connect() as connection:
        where = f"where id = '{version.id}'"
        await connection.execute(text(f"update app.text_versions set state = 'ARCHIVED' {where}"))
        for change in ("text = 'second'", "number = 7", "origin = 'AI'", "created_at = now() + interval '1 s'"):
            async with connection.begin_nested() as attempt:
                with pytest.raises(DBAPIError, match="a version's text never changes"):
                    await connection.execute(text(f"update app.text_versions set {change} {where}"))
                await attempt.rollback()


async def test_a_chapter_has_one_current_version(admin: Database, units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        actor = Actor(tenant, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
        project = await projects.create_project(uow.projects, actor, projects.ProjectDraft("t"))
        node = await projects.create_node(
            uow.projects, actor, projects.NodeDraft(project.id, OutlineKind.CHAPTER, "One")
        )
        for number in range(3):
            await projects.update_text(
                uow.projects, actor, node.id, text=f"{number}", base_version_id=node.current_version_id, note="",
                now=uow.now,
            )  # fmt: skip
    async with admin.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="text_versions_one_current_idx"):
            await connection.execute(
                text("update app.text_versions set state = 'CURRENT' where node_id = :n"), {"n": node.id}
            )
