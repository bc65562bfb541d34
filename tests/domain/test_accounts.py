"""Accounts: rights as intersections, sessions that rotate, tokens that are narrower than their maker."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.accounts import (
    API_TOKENS_MAX,
    GRANTS,
    REFRESH_GRACE,
    Actor,
    ApiToken,
    Permission,
    Role,
    Session,
    check_password,
    clean_email,
    clean_locale,
    create_api_token,
    join_tenant,
    permissions_of,
    revoke_api_token,
    rotate,
    slug_of,
)
from domain.errors import ErrorCode, Unauthenticated
from domain.ids import ApiTokenId, SessionId, TenantId, UserId, new_id
from tests.domain.memory import NOW, MemoryUnitOfWork
from tests.domain.world import World, refused

# Rights.


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        ("OWNER", {"read", "write", "generate", "admin", "billing", "developer"}),
        ("ADMIN", {"read", "write", "generate", "admin", "developer"}),
        ("EDITOR", {"read", "write", "generate"}),
        ("AUTHOR", {"read", "write", "generate"}),
        ("VIEWER", {"read"}),
        ("BILLING", {"read", "billing"}),
    ],
)
def test_a_role_grants_exactly_these_rights(role: str, rights: set[str]) -> None:
    assert GRANTS[Role(role)] == rights
    assert permissions_of(Role(role), platform_admin=False) == rights


def test_every_role_has_its_rights() -> None:
    assert set(GRANTS) == set(Role)


def test_no_role_rules_the_platform_and_an_administrator_of_it_does_in_any_role() -> None:
    assert all(Permission.PLATFORM not in rights for rights in GRANTS.values())
    for role in Role:
        assert permissions_of(role, platform_admin=True) == GRANTS[role] | {Permission.PLATFORM}


def test_a_tokens_scopes_only_ever_narrow_its_members_rights() -> None:
    everything = [permission.value for permission in Permission]
    for role in Role:
        assert permissions_of(role, platform_admin=False, scopes=everything) == GRANTS[role]
        assert permissions_of(role, platform_admin=False, scopes=["read", "admin"]) == GRANTS[role] & {"read", "admin"}
        assert permissions_of(role, platform_admin=False, scopes=[]) == frozenset()


def test_an_administrators_token_without_the_platform_scope_does_not_rule_the_platform() -> None:
    assert permissions_of(Role.OWNER, platform_admin=True, scopes=["read"]) == {"read"}
    assert permissions_of(Role.VIEWER, platform_admin=True, scopes=["read", "platform"]) == {"read", "platform"}


def test_what_was_not_granted_is_forbidden(world: World) -> None:
    viewer = world.actor(Role.VIEWER)
    viewer.require(Permission.READ)
    with refused(ErrorCode.FORBIDDEN):
        viewer.require(Permission.WRITE)


def test_idempotency_keys_belong_to_a_token_or_to_a_person(world: World) -> None:
    token_id = ApiTokenId(new_id())
    assert world.author.principal == f"user:{world.author.user_id}"
    assert replace(world.author, api_token_id=token_id).principal == f"token:{token_id}"


# Refresh tokens.

TTL = timedelta(days=30)


def session(**values: object) -> Session:
    fresh = Session(
        SessionId(new_id()), UserId(new_id()), TenantId(new_id()), b"first", NOW + TTL, created_at=NOW
    )  # fmt: skip
    return replace(fresh, **values)  # type: ignore[arg-type]


def test_a_refresh_token_is_exchanged_and_the_session_lives_on() -> None:
    family = session()
    later = NOW + timedelta(days=3)
    assert rotate(family, b"first", b"second", later, TTL) is True
    assert (family.refresh_hash, family.rotated_at, family.expires_at) == (b"second", later, later + TTL)
    assert family.revoked_at is None


def test_the_last_exchange_may_be_repeated_while_its_answer_may_be_on_its_way() -> None:
    family = session()
    assert rotate(family, b"first", b"second", NOW, TTL) is True
    assert rotate(family, b"first", b"second", NOW + REFRESH_GRACE, TTL) is True
    assert (family.refresh_hash, family.rotated_at, family.revoked_at) == (b"second", NOW, None)
    assert rotate(family, b"second", b"third", NOW + REFRESH_GRACE, TTL) is True
    assert rotate(family, b"first", b"second", NOW + REFRESH_GRACE, TTL) is False


def test_a_token_used_twice_ends_the_whole_session() -> None:
    family = session()
    late = NOW + REFRESH_GRACE + timedelta(microseconds=1)
    assert rotate(family, b"first", b"second", NOW, TTL) is True
    assert rotate(family, b"first", b"second", late, TTL) is False
    assert (family.revoked_at, family.refresh_hash) == (late, b"second")
    with pytest.raises(Unauthenticated) as caught:
        rotate(family, b"second", b"third", late, TTL)
    assert caught.value.expired is False


def test_an_unknown_session_is_not_told_from_an_ended_one() -> None:
    messages = []
    for family in (None, session(revoked_at=NOW)):
        with pytest.raises(Unauthenticated) as caught:
            rotate(family, b"first", b"second", NOW, TTL)
        messages.append((caught.value.message, caught.value.expired))
    assert messages == [("This session has ended. Sign in again.", False)] * 2


def test_a_session_ends_on_the_very_moment_of_its_expiry() -> None:
    family = session(expires_at=NOW)
    assert rotate(family, b"first", b"second", NOW - timedelta(microseconds=1), TTL) is True
    family = session(expires_at=NOW)
    with pytest.raises(Unauthenticated) as caught:
        rotate(family, b"first", b"second", NOW, TTL)
    assert caught.value.expired is True
    assert family.refresh_hash == b"first"


def test_a_stolen_token_of_an_expired_session_does_not_revive_it() -> None:
    family = session(expires_at=NOW, refresh_hash=b"second")
    with pytest.raises(Unauthenticated):
        rotate(family, b"first", b"third", NOW, TTL)
    assert family.revoked_at is None


# API tokens.


async def create(uow: MemoryUnitOfWork, actor: Actor, **values: object) -> ApiToken:
    request = {"name": "Script", "scopes": ["read"], "expires_at": None, "prefix": "fab_1", "secret_hash": b"h"}
    return await create_api_token(uow.accounts, actor, now=NOW, **(request | values))  # type: ignore[arg-type]


async def test_an_api_token_keeps_its_scopes_sorted_and_once(world: World) -> None:
    token = await create(world.uow, world.author, scopes=["write", "read", "write"])
    assert (token.scopes, token.name, token.user_id) == (["read", "write"], "Script", world.author.user_id)
    assert world.uow.accounts.api_tokens == {token.id: token}


async def test_an_api_token_never_gets_a_scope_that_its_maker_lacks(world: World) -> None:
    for scopes in ([], ["platform"], ["read", "platform"], ["everything"], ["READ"], [""]):
        with refused(ErrorCode.BAD_USER_INPUT, "scopes"):
            await create(world.uow, world.author, scopes=scopes)


async def test_a_token_with_few_scopes_cannot_make_one_with_more(world: World) -> None:
    narrow = replace(world.author, permissions=frozenset({Permission.ADMIN, Permission.READ}))
    assert (await create(world.uow, narrow, scopes=["read"])).scopes == ["read"]
    with refused(ErrorCode.BAD_USER_INPUT, "scopes"):
        await create(world.uow, narrow, scopes=["write"])


@pytest.mark.parametrize("role", [Role.EDITOR, Role.AUTHOR, Role.VIEWER, Role.BILLING])
async def test_only_those_who_run_the_tenant_make_or_revoke_tokens(world: World, role: Role) -> None:
    token = await create(world.uow, world.author)
    with refused(ErrorCode.FORBIDDEN):
        await create(world.uow, world.actor(role))
    with refused(ErrorCode.FORBIDDEN):
        await revoke_api_token(world.uow.accounts, world.actor(role), token.id, NOW)
    assert token.revoked_at is None


async def test_an_api_token_expires_in_the_future_or_never(world: World) -> None:
    soon = NOW + timedelta(microseconds=1)
    assert (await create(world.uow, world.author, expires_at=soon)).expires_at == soon
    with refused(ErrorCode.BAD_USER_INPUT, "expiresAt"):
        await create(world.uow, world.author, expires_at=NOW)


async def test_a_tenant_has_a_hundred_live_tokens_and_a_revoked_one_makes_room(world: World) -> None:
    tokens = [await create(world.uow, world.author) for _ in range(API_TOKENS_MAX)]
    with refused(ErrorCode.LIMIT_REACHED):
        await create(world.uow, world.author)
    await revoke_api_token(world.uow.accounts, world.author, tokens[0].id, NOW)
    await create(world.uow, world.author)


async def test_a_token_revoked_twice_keeps_the_first_time(world: World) -> None:
    token = await create(world.uow, world.author)
    await revoke_api_token(world.uow.accounts, world.author, token.id, NOW)
    await revoke_api_token(world.uow.accounts, world.author, token.id, NOW + timedelta(days=1))
    assert token.revoked_at == NOW


async def test_a_token_that_is_not_there_cannot_be_revoked(world: World) -> None:
    with refused(ErrorCode.NOT_FOUND, "id"):
        await revoke_api_token(world.uow.accounts, world.author, ApiTokenId(new_id()), NOW)


def test_a_secret_shows_in_no_representation() -> None:
    token = ApiToken(TenantId(new_id()), ApiTokenId(new_id()), UserId(new_id()), "n", "fab_1", b"\xabsecret", [])
    assert "secret" not in repr(token)
    assert "first" not in repr(session())


# Signing up.


async def join(uow: MemoryUnitOfWork, email: str = "Ada@Example.org", **values: str) -> tuple[object, object]:
    request = {"password_hash": "hash", "display_name": "Ada", "tenant_name": "", "locale": "en"} | values
    return await join_tenant(uow.accounts, email=email, tenant_id=uow.tenant_id, **request)  # type: ignore[arg-type]


async def test_who_signs_up_owns_a_tenant_named_after_them(uow: MemoryUnitOfWork) -> None:
    await join(uow)
    (user,) = uow.accounts.users.values()
    assert (user.email, user.display_name, user.platform_admin) == ("ada@example.org", "Ada", False)
    ((tenant, role),) = await uow.accounts.memberships_of(user.id)
    assert (tenant.tenant_id, tenant.name, role) == (uow.tenant_id, "Ada", Role.OWNER)


async def test_an_address_signs_up_once_however_it_is_written(uow: MemoryUnitOfWork) -> None:
    await join(uow, "ada@example.org")
    with refused(ErrorCode.ALREADY_EXISTS, "email"):
        await join(uow, " ADA@example.ORG ")
    assert len(uow.accounts.users) == len(uow.accounts.tenants) == len(uow.accounts.memberships) == 1


def test_what_is_no_address_is_refused() -> None:
    for address in ("ada", "ada@", "@example.org", "a da@example.org", "a@b@c", f"{'x' * 65}@b.org"):
        with refused(ErrorCode.BAD_USER_INPUT, "email"):
            clean_email(address)


def test_a_password_has_ten_to_a_thousand_characters() -> None:
    check_password("x" * 10)
    check_password("密" * 1_000)
    with refused(ErrorCode.BAD_USER_INPUT, "password"):
        check_password("x" * 9)
    with refused(ErrorCode.TOO_LONG, "password"):
        check_password("x" * 1_001)


def test_a_language_tag_is_taken_as_it_is() -> None:
    for tag in ("en", "zh", "zh-Hans", "pt-BR", "sr-Latn-RS", "yue"):
        assert clean_locale(tag) == tag


def test_what_is_no_language_tag_is_refused() -> None:
    for tag in ("e", "EN", "english", "en_US", "en-", "zh-Hans-CN-x", "中文"):
        with refused(ErrorCode.BAD_USER_INPUT, "language"):
            clean_locale(tag, "language")


@pytest.mark.parametrize(
    ("name", "base"), [("Ada's Studio!", "ada-s-studio"), ("墨水", "studio"), ("x" * 60, "x" * 40)]
)
def test_a_handle_is_readable_and_ends_in_chance(name: str, base: str) -> None:
    one, other = slug_of(name), slug_of(name)
    assert one != other
    assert one[:-9] == other[:-9] == base
