"""The demo tenant: a login, a small novel in English and one in Chinese, and a token for scripts."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.auth import Argon2Passwords, TokenCredentials
from app.demo_novels import NOVELS, Novel
from app.settings import Settings
from domain.accounts import Actor, Permission, Role, create_api_token, join_tenant, permissions_of
from domain.billing import top_up_entry
from domain.errors import Rejected
from domain.ids import TenantId, new_id
from domain.plans.catalogue import PlanDraft, Terms, create_plan
from domain.plans.entities import Feature, PlanLimit
from domain.plans.periods import PlanPeriod
from domain.projects import OutlineKind
from domain.projects.service import NodeDraft, ProjectDraft, create_node, create_project, update_text
from domain.story import CodexInclusion, EntryDraft, create_entry, relate
from domain.unit_of_work import UnitOfWork
from persistence.database import create_engine
from persistence.unit_of_work import Units
from schema.ids import encode_id

EMAIL = "demo@fabula.local"
CREDIT_MICROS = 1_000_000_000


def main(settings: Settings, args: argparse.Namespace) -> int:
    login = asyncio.run(_run(settings))
    print(json.dumps(login) if args.json else f"{login['email']} / {login['password']}")
    return 0


async def _run(settings: Settings) -> dict[str, str]:
    """Made once a data directory; later starts read the login that the first one kept there."""
    kept = settings.data_dir / "demo.json"
    engine = create_engine(settings.database_app_url.get_secret_value(), pool_size=0, application="fabula-demo")
    try:
        if kept.exists():
            login: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))
            if await _exists(Units(engine)):
                return login
        login = await _make(Units(engine), settings)
    finally:
        await engine.dispose()
    _keep(kept, login)
    return login


async def _exists(units: Units) -> bool:
    async with units(TenantId(new_id())) as uow:
        return await uow.accounts.user_by_email(EMAIL) is not None


def _keep(path: Path, login: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(login), encoding="utf-8")


async def _make(units: Units, settings: Settings) -> dict[str, str]:
    tenant_id = TenantId(new_id())
    password = secrets.token_urlsafe(12)
    email = EMAIL if not await _exists(units) else f"demo-{tenant_id.hex[-8:]}@fabula.local"
    token, prefix, secret_hash = TokenCredentials(settings.secret.get_secret_value()).new_api_token(tenant_id)
    async with units(tenant_id) as uow:
        user, _ = await join_tenant(
            uow.accounts, email=email, password_hash=Argon2Passwords().hash(password), display_name="Demo Author",
            tenant_name="Demo Studio", locale="en", tenant_id=tenant_id, platform_admin=True,
        )  # fmt: skip
        rights = permissions_of(Role.OWNER, platform_admin=True)
        actor = Actor(tenant_id, user.id, Role.OWNER, rights)
        await uow.billing.open_wallet()
        await uow.billing.post(top_up_entry("starting-credit", CREDIT_MICROS))
        await create_api_token(
            uow.accounts, actor, name="Demo token", scopes=[p.value for p in Permission if p in rights],
            expires_at=None, prefix=prefix, secret_hash=secret_hash, now=uow.now,
        )  # fmt: skip
        await _offer_plans(uow, actor)
    for novel in NOVELS:
        async with units(tenant_id) as uow:
            await _write(uow, actor, novel)
    return {"email": email, "password": password, "token": token, "tenantId": encode_id("Tenant", tenant_id)}


PLANS = (
    (
        PlanDraft("WRITER", "Writer", "For one book after the other."),
        Terms(
            PlanPeriod.MONTH, 9_000_000, 8_000_000, [Feature.OWN_CHANNELS],
            {PlanLimit.PROJECTS: 25, PlanLimit.CONCURRENT_GENERATIONS: 4},
        ),
    ),
    (
        PlanDraft("STUDIO", "Studio", "For several authors, and for programs."),
        Terms(PlanPeriod.MONTH, 29_000_000, 30_000_000, [Feature.OWN_CHANNELS]),
    ),
)  # fmt: skip


async def _offer_plans(uow: UnitOfWork, actor: Actor) -> None:
    for draft, terms in PLANS:
        with suppress(Rejected):  # another demo tenant made it
            await create_plan(uow.plans, actor, draft, terms, uow.now)


async def _write(uow: UnitOfWork, actor: Actor, novel: Novel) -> None:
    draft = ProjectDraft(novel.title, novel.language, novel.genre, novel.premise, novel.style_guide, novel.target_words)
    project = await create_project(uow.projects, actor, draft)
    made: dict[str, Any] = {}
    for entry in novel.codex:
        inclusion = CodexInclusion.ALWAYS if entry.always else CodexInclusion.DETECTED
        details = EntryDraft(
            entry.kind, entry.name, entry.summary, list(entry.aliases),
            [{"key": key, "value": value} for key, value in entry.attributes], inclusion,
        )  # fmt: skip
        made[entry.name] = await create_entry(uow.story, actor, project.id, details)
    for one, kind, other in novel.relations:
        await relate(uow.story, actor, from_id=made[one].id, to_id=made[other].id, kind=kind, note="")
    part = await create_node(uow.projects, actor, NodeDraft(project.id, OutlineKind.ARC, novel.arc))
    for chapter in novel.chapters:
        node = await create_node(
            uow.projects, actor, NodeDraft(project.id, OutlineKind.CHAPTER, chapter.title, "", chapter.plan, part.id)
        )
        if chapter.text:
            await update_text(
                uow.projects, actor, node.id, text=chapter.text, base_version_id=None, note="", now=uow.now
            )
