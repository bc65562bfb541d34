"""Notifications: everyone who should know is told, and reads for themselves."""

from __future__ import annotations

import pytest

from domain.accounts import Actor, Membership, Permission, Role, User, roles_with
from domain.errors import ErrorCode
from domain.ids import UserId, new_id
from domain.operations.notifications import READ_AT_ONCE_MAX, NotificationKind, notify, read_notifications
from tests.domain.memory import NOW, MemoryUnitOfWork
from tests.domain.world import World, refused

KIND = NotificationKind.WEBHOOK_DISABLED


async def member(world: World, role: Role) -> Actor:
    actor = world.actor(role)
    await world.uow.accounts.add_user(User(actor.user_id, f"{actor.user_id}@example.org", role, ""))
    await world.uow.accounts.add_membership(Membership(world.uow.tenant_id, actor.user_id, role))
    return actor


async def test_a_right_reaches_every_member_who_has_it() -> None:
    world = World(MemoryUnitOfWork())
    members = {role: await member(world, role) for role in Role}
    told = await notify(world.uow, Permission.ADMIN, KIND, {"host": "a.example"})
    expected = [members[Role.OWNER].user_id, members[Role.ADMIN].user_id]
    assert [one.id for one in told] == [one.user_id for one in world.uow.notifications.rows] == expected
    assert {(one.kind, one.params["host"], one.read_at) for one in world.uow.notifications.rows} == {
        ("WEBHOOK_DISABLED", "a.example", None)
    }


async def test_one_user_can_be_told_alone() -> None:
    world = World(MemoryUnitOfWork())
    viewer, _other = await member(world, Role.VIEWER), await member(world, Role.VIEWER)
    await notify(world.uow, viewer.user_id, KIND, {})
    assert [one.user_id for one in world.uow.notifications.rows] == [viewer.user_id]
    assert await notify(world.uow, UserId(new_id()), KIND, {}) == []


async def test_reading_is_each_ones_own_and_tells_what_is_left() -> None:
    world = World(MemoryUnitOfWork())
    owner, admin = await member(world, Role.OWNER), await member(world, Role.ADMIN)
    for _ in range(2):
        await notify(world.uow, Permission.ADMIN, KIND, {})
    every = [one.id for one in world.uow.notifications.rows]
    [first, _] = [one for one in world.uow.notifications.rows if one.user_id == owner.user_id]
    assert await read_notifications(world.uow.notifications, owner, [first.id], NOW) == 1
    assert await read_notifications(world.uow.notifications, owner, every, NOW) == 0
    assert [one.read_at for one in world.uow.notifications.rows if one.user_id == admin.user_id] == [None, None]


@pytest.mark.parametrize("count", [0, READ_AT_ONCE_MAX + 1])
async def test_so_many_are_read_at_once_and_no_more(count: int) -> None:
    world = World(MemoryUnitOfWork())
    with refused(ErrorCode.LIMIT_REACHED, "ids"):
        await read_notifications(world.uow.notifications, world.author, [new_id()] * count, NOW)
    assert await read_notifications(world.uow.notifications, world.author, [new_id()] * READ_AT_ONCE_MAX, NOW) == 0


def test_the_platform_is_no_role_of_a_tenant() -> None:
    assert roles_with(Permission.PLATFORM) == []
    assert roles_with(Permission.BILLING) == [Role.OWNER, Role.BILLING]
