"""The tree in PostgreSQL: what a path, a sibling and a page cost, and what cannot be stored."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.conversations.entities import Conversation, ConversationGroup, Message, MessageRole
from domain.ids import ConversationId, GroupId, MessageId, TenantId, UserId, new_id
from persistence.conversations import reads
from persistence.database import Database
from persistence.listing import page_values
from persistence.unit_of_work import Units


@pytest.fixture
async def tenant(admin: Database) -> TenantId:
    tenant_id = TenantId(new_id())
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("insert into app.tenants (tenant_id, slug, name) values (:id, :s, 'x')"),
            {"id": tenant_id, "s": str(tenant_id)},
        )
    return tenant_id


class Tree:
    """A conversation whose messages are named."""

    def __init__(self, units: Units, tenant_id: TenantId) -> None:
        self.units, self.tenant_id = units, tenant_id
        self.owner = UserId(new_id())
        self.id = ConversationId(new_id())
        self.messages: dict[str, Message] = {}

    async def grow(self, *names: str, leaf: str) -> None:
        """`b<a` is a message b below a. The conversation is made with the first."""
        async with self.units(self.tenant_id) as uow:
            talk = Conversation(self.tenant_id, self.id, self.owner)
            await uow.conversations.add(talk)
            for one in names:
                name, _, above = one.partition("<")
                parent = self.messages.get(above)
                depth = parent.depth + 1 if parent is not None else 0
                role = MessageRole.ASSISTANT if depth % 2 else MessageRole.USER
                message = Message(
                    self.tenant_id, MessageId(new_id()), self.id, parent.id if parent else None, depth, role, name
                )
                self.messages[name] = message
                await uow.conversations.add(message)
            talk.active_leaf_id = self.messages[leaf].id


@pytest.fixture
async def tree(units: Units, tenant: TenantId) -> Tree:
    one = Tree(units, tenant)
    await one.grow("a", "b<a", "c<b", "d<c", "b2<a", "c2<b2", "c3<b2", "r2", leaf="d")
    return one


def names(rows: Any) -> list[str]:
    return [row.text for row in rows]


async def test_a_path_goes_from_the_root_to_its_leaf(tree: Tree, units: Units) -> None:
    async with units(tree.tenant_id) as uow:
        for leaf, path in (("d", ["a", "b", "c", "d"]), ("c3", ["a", "b2", "c3"]), ("r2", ["r2"])):
            assert names(await uow.conversations.path(tree.messages[leaf].id)) == path


async def test_the_newest_leaf_is_found_by_always_taking_the_newest_answer(tree: Tree, units: Units) -> None:
    async with units(tree.tenant_id) as uow:
        for start, leaf in (("a", "c3"), ("b", "d"), ("d", "d"), ("r2", "r2")):
            assert await uow.conversations.newest_leaf(tree.messages[start].id) == tree.messages[leaf].id


@pytest.mark.parametrize(("last", "path"), [(1, ["d"]), (3, ["b", "c", "d"]), (100, ["a", "b", "c", "d"])])
async def test_the_active_path_is_read_with_one_statement_and_no_further_than_asked(
    tree: Tree, database: Database, last: int, path: list[str]
) -> None:
    before = database.statements
    rows = await database.shaped(tree.tenant_id, reads.PATHS, ids=[tree.id], last=last)
    assert (names(rows), database.statements - before) == (path, 1)


async def test_siblings_are_counted_for_a_whole_level_with_one_statement(tree: Tree, database: Database) -> None:
    ids = [one.id for one in tree.messages.values()]
    before = database.statements
    rows = await database.shaped(tree.tenant_id, reads.SIBLING_COUNTS, ids=ids)
    assert database.statements - before == 1
    found = {row.id: (row.count, row.place) for row in rows}
    assert {name: found[one.id] for name, one in tree.messages.items()} == {
        "a": (2, 1), "r2": (2, 2), "b": (2, 1), "b2": (2, 2), "c": (1, 1), "d": (1, 1), "c2": (2, 1), "c3": (2, 2)
    }  # fmt: skip


async def test_what_is_anothers_is_not_among_the_rows(tree: Tree, database: Database) -> None:
    ids = [one.id for one in tree.messages.values()]
    for actor, seen in ((tree.owner, len(ids)), (new_id(), 0), (None, 0)):
        shown = await database.shaped(tree.tenant_id, reads.MESSAGES_BY_ID.shape, ids=ids, actor=actor)
        assert len(shown) == seen
        listed = reads.CONVERSATIONS.page(None, frozenset({"living"}), after=False)
        rows = await database.shaped(tree.tenant_id, listed, actor=actor, living=True, **page_values(10, None))
        assert len(rows) == bool(seen)


async def test_groups_come_in_order_and_leave_their_conversations(units: Units, tenant: TenantId) -> None:
    owner, talk_id = UserId(new_id()), ConversationId(new_id())
    async with units(tenant) as uow:
        first, second = (
            ConversationGroup(tenant, GroupId(new_id()), owner, name, at) for name, at in (("z", "B"), ("a", "a"))
        )
        for group in (second, first):
            await uow.conversations.add(group)
        await uow.conversations.add(Conversation(tenant, talk_id, owner, group_id=first.id))
    async with units(tenant) as uow:
        assert [one.name for one in await uow.conversations.groups(owner)] == ["z", "a"]
        found = await uow.conversations.group(first.id)
        assert found is not None
        await uow.conversations.delete_group(found)
    async with units(tenant) as uow:
        assert [one.name for one in await uow.conversations.groups(owner)] == ["a"]
        talk = await uow.conversations.conversation(talk_id)
        assert talk is not None and talk.group_id is None


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("update app.messages set depth = 1 where parent_id is null", "messages_depth_check"),
        ("update app.messages set role = 'GHOST'", "messages_role_check"),
        ("update app.messages set state = 'LOST'", "messages_state_check"),
        ("update app.conversations set active_leaf_id = gen_random_uuid()", "active_leaf_id_fkey"),
        (
            "insert into app.generations (tenant_id, id, job_id, instructions, channel_id, channel, model, prompt, "
            "receipt, max_output_tokens, target_words) select tenant_id, gen_random_uuid(), gen_random_uuid(), '', "
            "gen_random_uuid(), '', '', '[]', '{}', 1, 1 from app.conversations limit 1", "generations_target_check",
        ),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_by_the_database(
    tree: Tree, admin: Database, statement: str, named: str
) -> None:
    async with admin.engine.connect() as connection:
        with pytest.raises(DBAPIError, match=named):
            await connection.execute(text(statement))
            await connection.commit()


async def test_a_path_of_a_thousand_messages_is_read_within_its_bound(
    units: Units, tenant: TenantId, database: Database
) -> None:
    tree = Tree(units, tenant)
    await tree.grow("m0", *(f"m{n}<m{n - 1}" for n in range(1, 1_000)), leaf="m999")
    rows = await database.shaped(tenant, reads.PATHS, ids=[tree.id], last=100)
    assert names(rows) == [f"m{n}" for n in range(900, 1_000)]
    async with units(tenant) as uow:
        assert len(await uow.conversations.path(tree.messages["m999"].id)) == 1_000
