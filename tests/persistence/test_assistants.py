"""Assistants in PostgreSQL: what is counted when many click at once, and the wall around what a tenant says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.accounts import Actor, Membership, Role, User
from domain.assistants import market, service
from domain.assistants.drafts import AssistantDraft, VersionDraft
from domain.assistants.entities import Mark, ReactionKind, ReportReason, Visibility
from domain.ids import AssistantId, AssistantVersionId, TenantId, UserId, new_id
from persistence.accounts.tables import tenants
from persistence.assistants.reads import assistant_listing
from persistence.database import Database
from persistence.unit_of_work import Units
from tests.domain.world import actor_of

PEOPLE = 100


async def new_tenant(units: Units, people: int = 1) -> list[Actor]:
    """The members of a new tenant, its owner first."""
    tenant_id = TenantId(new_id())
    actors = [actor_of(tenant_id, Role.VIEWER if number else Role.OWNER) for number in range(people)]
    async with units(tenant_id) as uow:
        session = uow.accounts._session
        await session.execute(tenants.insert().values(tenant_id=tenant_id, slug=str(tenant_id), name="t"))
        session.add_all(User(one.user_id, f"{one.user_id}@example.org", "Somebody", "x") for one in actors)
        await session.flush()
        session.add_all(Membership(tenant_id, one.user_id, one.role) for one in actors)
    return actors


async def new_assistant(
    units: Units, owner: Actor, visibility: Visibility = Visibility.PUBLIC
) -> tuple[AssistantId, AssistantVersionId]:
    async with units(owner.tenant_id) as uow:
        made = await service.create_assistant(uow.assistants, owner, AssistantDraft("Plotter", tags=["plots"]))
        version = await service.create_version(uow.assistants, owner, made.id, VersionDraft("You plot."), uow.now)
        await service.publish(uow, owner, made.id, service.Wish(visibility))
    return made.id, version.id


async def like(units: Units, actor: Actor, assistant_id: AssistantId, *, on: bool = True) -> None:
    async with units(actor.tenant_id) as uow:
        await market.react(uow.assistants, actor, assistant_id, ReactionKind.LIKE, on=on)


async def rate(units: Units, actor: Actor, assistant_id: AssistantId, stars: int) -> None:
    async with units(actor.tenant_id) as uow:
        await market.rate(uow.assistants, actor, assistant_id, stars)


async def install(units: Units, actor: Actor, assistant_id: AssistantId) -> None:
    async with units(actor.tenant_id) as uow:
        await market.install(uow, actor, assistant_id)


async def counted(admin: Database, assistant_id: AssistantId, table: str = "public_assistants") -> dict[str, int]:
    columns = "likes, favourites, installs, ratings, rating_sum, conversations, popularity, standing"
    query = text(f"select {columns} from app.{table} where id = :id").bindparams(id=assistant_id)
    [row] = await admin.platform_rows(query)
    return dict(row._mapping)


@pytest.fixture(scope="module")
async def crowd(units: Units) -> list[Actor]:
    """Members of ten tenants."""
    return [one for _ in range(10) for one in await new_tenant(units, PEOPLE // 10)]


@pytest.fixture(scope="module")
async def maker(units: Units) -> Actor:
    return (await new_tenant(units))[0]


async def test_a_hundred_likes_at_once_are_a_hundred_and_unlikes_take_them_back(
    units: Units, admin: Database, crowd: list[Actor], maker: Actor
) -> None:
    assistant_id, _ = await new_assistant(units, maker)
    await asyncio.gather(*(like(units, one, assistant_id) for one in crowd))
    assert (await counted(admin, assistant_id))["likes"] == PEOPLE
    await asyncio.gather(*(like(units, one, assistant_id, on=False) for one in crowd[:40]))
    figures = await counted(admin, assistant_id)
    assert (figures["likes"], figures["popularity"]) == (60, 60)


async def test_one_persons_clicks_at_once_are_one_like(units: Units, admin: Database, maker: Actor) -> None:
    assistant_id, _ = await new_assistant(units, maker)
    await asyncio.gather(*(like(units, maker, assistant_id) for _ in range(20)))
    assert (await counted(admin, assistant_id))["likes"] == 1
    await asyncio.gather(*(like(units, maker, assistant_id, on=number % 2 == 0) for number in range(20)))
    marks = await admin.platform_rows(
        text("select liked from app.assistant_marks where assistant_id = :id").bindparams(id=assistant_id)
    )
    assert [int(row.liked) for row in marks] == [(await counted(admin, assistant_id))["likes"]]


async def test_a_click_that_waits_for_the_same_persons_other_click_sees_what_that_did(
    units: Units, admin: Database, maker: Actor
) -> None:
    assistant_id, _ = await new_assistant(units, maker)
    await like(units, maker, assistant_id, on=False)
    waiting = text("select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%mark_assistant%'")
    async with units(maker.tenant_id) as uow:
        await uow.assistants.mark(maker.user_id, assistant_id, Mark(liked=True))
        second = asyncio.create_task(like(units, maker, assistant_id))
        while not await admin.platform_rows(waiting):
            assert not second.done()
    await second
    assert (await counted(admin, assistant_id))["likes"] == 1


async def test_ratings_and_installs_at_once_add_up(
    units: Units, admin: Database, crowd: list[Actor], maker: Actor
) -> None:
    assistant_id, _ = await new_assistant(units, maker)
    some = crowd[:30]
    await asyncio.gather(
        *(rate(units, one, assistant_id, 1 + number % 5) for number, one in enumerate(some)),
        *(rate(units, one, assistant_id, 5) for one in some[:10]),
        *(install(units, one, assistant_id) for one in some for _ in range(2)),
    )
    figures = await counted(admin, assistant_id)
    given = await admin.platform_rows(
        text("select stars from app.assistant_marks where assistant_id = :id").bindparams(id=assistant_id)
    )
    assert (figures["ratings"], figures["rating_sum"]) == (30, sum(row.stars for row in given))
    assert figures["installs"] == 30
    assert figures["standing"] == (figures["rating_sum"] * 1000 + 15_000) // 35
    await asyncio.gather(*(rate(units, one, assistant_id, 2) for one in some))
    figures = await counted(admin, assistant_id)
    assert (figures["ratings"], figures["rating_sum"]) == (30, 60)


async def test_likes_while_it_is_published_are_not_lost(units: Units, admin: Database, maker: Actor) -> None:
    for _ in range(5):
        team = await new_tenant(units, 10)
        assistant_id, _ = await new_assistant(units, team[0], Visibility.TENANT)

        async def publish(owner: Actor = team[0], assistant_id: AssistantId = assistant_id) -> None:
            async with units(owner.tenant_id) as uow:
                await service.publish(uow, owner, assistant_id, service.Wish(Visibility.PUBLIC))

        likes = [like(units, one, assistant_id) for one in team]
        await asyncio.gather(*likes[:5], publish(), *likes[5:])
        assert (await counted(admin, assistant_id))["likes"] == 10


async def test_a_tenants_own_is_counted_before_it_is_published(units: Units, admin: Database) -> None:
    team = await new_tenant(units, 3)
    assistant_id, _ = await new_assistant(units, team[0], Visibility.TENANT)
    await asyncio.gather(*(like(units, one, assistant_id) for one in team))
    async with units(team[0].tenant_id) as uow:
        await uow.assistants.count_conversation(assistant_id)
    figures = await counted(admin, assistant_id, "assistants")
    assert (figures["likes"], figures["conversations"]) == (3, 1)


async def test_conversations_are_counted_where_they_are_begun(
    units: Units, admin: Database, crowd: list[Actor], maker: Actor
) -> None:
    assistant_id, _ = await new_assistant(units, maker)

    async def begin(actor: Actor) -> None:
        async with units(actor.tenant_id) as uow:
            await uow.assistants.count_conversation(assistant_id)

    await asyncio.gather(*(begin(one) for one in crowd[:20]))
    assert (await counted(admin, assistant_id))["conversations"] == 20


async def test_who_leaves_a_tenant_has_nothing_installed_there(units: Units, admin: Database, maker: Actor) -> None:
    _, leaver = await new_tenant(units, 2)
    assistant_id, _ = await new_assistant(units, maker)
    await install(units, leaver, assistant_id)
    async with units(leaver.tenant_id) as uow:
        await uow.accounts._session.execute(
            text("delete from app.memberships where user_id = :id").bindparams(id=leaver.user_id)
        )
    assert (await counted(admin, assistant_id))["installs"] == 0


async def test_the_same_person_likes_once_in_whichever_tenant(units: Units, admin: Database, maker: Actor) -> None:
    here, there = (await new_tenant(units))[0], (await new_tenant(units))[0]
    async with units(there.tenant_id) as uow:
        await uow.accounts.add_membership(Membership(there.tenant_id, here.user_id, Role.VIEWER))
    assistant_id, _ = await new_assistant(units, maker)
    await like(units, here, assistant_id)
    async with units(there.tenant_id) as uow:
        await uow.assistants.mark(here.user_id, assistant_id, Mark(liked=True))
    assert (await counted(admin, assistant_id))["likes"] == 1


# -- walls -----------------------------------------------------------------------------------------------------------


async def in_tenant(database: Database, actor: Actor, statement: str, **values: Any) -> list[Any]:
    """As the application's role inside a tenant, with nothing else to stop it."""
    async with database.read(actor.tenant_id) as connection:
        found = await connection.execute(text(statement), values)
        rows = list(found.all()) if found.returns_rows else []
        await connection.commit()
    return rows


@pytest.mark.parametrize(
    "statement",
    [
        "select app.mark_assistant(:them, :id, true, null, null, null)",
        "select app.report_assistant(:them, :id, 'SPAM', '')",
        "insert into app.assistant_installs (tenant_id, user_id, assistant_id, version_id) values (:mine, :them, :id, :version)",
        "insert into app.assistant_installs (tenant_id, user_id, assistant_id, version_id) values (:theirs, :them, :id, :version)",
    ],
)
async def test_nobody_speaks_for_another_tenants_member(
    units: Units, database: Database, admin: Database, maker: Actor, statement: str
) -> None:
    mine, theirs = (await new_tenant(units))[0], (await new_tenant(units))[0]
    assistant_id, version_id = await new_assistant(units, maker)
    names = {"them": theirs.user_id, "id": assistant_id, "version": version_id, "mine": mine.tenant_id,
             "theirs": theirs.tenant_id}  # fmt: skip
    used = {name: value for name, value in names.items() if f":{name}" in statement}
    with pytest.raises(DBAPIError, match=r"not a member|violates (foreign key|row-level security)"):
        await in_tenant(database, mine, statement, **used)
    figures = await counted(admin, assistant_id)
    assert (figures["likes"], figures["installs"]) == (0, 0)


async def test_nobody_sees_what_another_tenants_member_says(units: Units, database: Database, maker: Actor) -> None:
    mine, theirs = (await new_tenant(units))[0], (await new_tenant(units))[0]
    assistant_id, _ = await new_assistant(units, maker)
    await like(units, theirs, assistant_id)
    await install(units, theirs, assistant_id)
    asked = "select * from app.marks_of(:them, null)"
    assert [row.liked for row in await in_tenant(database, theirs, asked, them=theirs.user_id)] == [True]
    assert await in_tenant(database, mine, asked, them=theirs.user_id) == []
    assert await in_tenant(database, mine, "select * from app.assistant_installs") == []
    for table in ("assistant_marks", "assistant_reports"):
        with pytest.raises(DBAPIError, match="permission denied"):
            await in_tenant(database, mine, f"select * from app.{table}")


async def test_a_tenants_own_assistants_are_nobody_elses_to_mark(
    units: Units, database: Database, admin: Database
) -> None:
    mine, theirs = (await new_tenant(units))[0], (await new_tenant(units))[0]
    assistant_id, _ = await new_assistant(units, theirs, Visibility.TENANT)
    for statement in (
        "select app.mark_assistant(:me, :id, true, null, null, null)",
        "select app.report_assistant(:me, :id, 'SPAM', '')",
        "select app.count_assistant_conversation(:id)",
    ):
        used = {"me": mine.user_id} if ":me" in statement else {}
        with pytest.raises(DBAPIError, match="no such assistant"):
            await in_tenant(database, mine, statement, id=assistant_id, **used)
    assert set((await counted(admin, assistant_id, "assistants")).values()) == {0, 3_000}


async def test_a_publication_is_not_taken_over_by_who_makes_up_its_id(
    units: Units, database: Database, admin: Database, maker: Actor
) -> None:
    thief = (await new_tenant(units))[0]
    assistant_id, version_id = await new_assistant(units, maker)
    names = {"tenant": thief.tenant_id, "id": assistant_id, "version": version_id}
    await in_tenant(
        database, thief, "insert into app.assistants (tenant_id, id, owner_id, name, visibility) "
        "values (:tenant, :id, :owner, 'Mine', 'PUBLIC')", tenant=thief.tenant_id, id=assistant_id, owner=thief.user_id,
    )  # fmt: skip
    await in_tenant(
        database, thief, "insert into app.assistant_versions (tenant_id, id, assistant_id, number, prompt) "
        "values (:tenant, :version, :id, 1, 'Stolen.')", **names,
    )  # fmt: skip
    listing = json.dumps({"name": "Mine", "description": "", "category": "PLOT", "tags": [], "publisher": "Thief"})
    content = json.dumps({"prompt": "Stolen.", "greeting": "", "opening_messages": [], "examples": [], "tools": [],
                          "changelog": ""})  # fmt: skip
    with pytest.raises(DBAPIError, match="not this tenant's to publish"):
        await in_tenant(
            database, thief, "select app.publish_assistant(:id, :version, cast(:listing as jsonb), cast(:content as jsonb))",
            id=assistant_id, version=version_id, listing=listing, content=content,
        )  # fmt: skip
    await in_tenant(database, thief, "select app.withdraw_assistant(:id)", id=assistant_id)
    rows = await admin.platform_rows(
        text(
            "select p.name, p.withdrawn_at, v.prompt from app.public_assistants p "
            "join app.public_assistant_versions v on v.id = p.current_version_id where p.id = :id"
        ).bindparams(id=assistant_id)
    )
    assert [tuple(row) for row in rows] == [("Plotter", None, "You plot.")]


async def test_a_version_is_never_changed_not_even_by_the_owner_of_the_tables(
    units: Units, admin: Database, maker: Actor
) -> None:
    _, version_id = await new_assistant(units, maker)
    for table in ("assistant_versions", "public_assistant_versions"):
        for change in (f"update app.{table} set prompt = 'x'", f"delete from app.{table}"):
            with pytest.raises(DBAPIError, match="append-only"):
                await admin.platform_rows(text(f"{change} where id = :id").bindparams(id=version_id))


async def test_a_second_report_takes_the_first_ones_place(units: Units, admin: Database, maker: Actor) -> None:
    assistant_id, _ = await new_assistant(units, maker)
    for reason, words in ((ReportReason.SPAM, "a"), (ReportReason.PRIVACY, "b")):
        async with units(maker.tenant_id) as uow:
            await market.report(uow.assistants, maker, assistant_id, reason, words)
    rows = await admin.platform_rows(
        text("select user_id, reason, words from app.assistant_reports where assistant_id = :id").bindparams(
            id=assistant_id
        )
    )
    assert [tuple(row) for row in rows] == [(UserId(maker.user_id), "PRIVACY", "b")]


async def test_what_was_published_before_is_still_there_for_who_has_it(units: Units, maker: Actor) -> None:
    reader = (await new_tenant(units))[0]
    assistant_id, first = await new_assistant(units, maker)
    async with units(maker.tenant_id) as uow:
        draft = VersionDraft("You plot better.", knowledge_base_ids=[str(new_id())], temperature=0.25)
        second = await service.create_version(uow.assistants, maker, assistant_id, draft, uow.now)
    async with units(reader.tenant_id) as uow:
        assert await uow.assistants.published_version(second.id) is None
    async with units(maker.tenant_id) as uow:
        await service.publish(uow, maker, assistant_id, service.Wish(Visibility.PUBLIC))
    async with units(reader.tenant_id) as uow:
        found = [await market.assistant_of(uow, reader, one) for one in (first, second.id)]
    assert [(one.number, one.prompt) for one in found] == [(1, "You plot."), (2, "You plot better.")]
    assert (found[1].temperature, found[1].knowledge_base_ids) == (0.25, [])


GROW = """insert into app.public_assistants
    (id, publisher_id, publisher, name, category, tags, current_version_id, likes, ratings, rating_sum)
  select gen_random_uuid(), gen_random_uuid(), 'p', 'Plots ' || n, 'PLOT', '[]', gen_random_uuid(), n % 97, n % 7, n % 7 * 4
  from generate_series(1, 5000) as n"""


@pytest.mark.parametrize(
    ("order", "index"), [("POPULAR", "popularity"), ("NEWEST", "published_at"), ("RATING", "standing")]
)
async def test_a_page_of_the_market_reads_no_more_than_a_page(
    database: Database, admin: Database, maker: Actor, order: str, index: str
) -> None:
    async with admin.engine.begin() as connection:
        await connection.execute(text(GROW))
        await connection.execute(text("analyze app.public_assistants"))
    shape = assistant_listing(order).page(None, frozenset({"market"}), after=False)
    given = {"actor": maker.user_id, "first": 21}
    plan = await database.explained(maker.tenant_id, shape, "text", analyze=True, **given)
    assert f"using public_assistants_{index}_idx" in plan
    assert "Seq Scan on public_assistants" not in plan
    assert len(await database.shaped(maker.tenant_id, shape, **given)) == 21
