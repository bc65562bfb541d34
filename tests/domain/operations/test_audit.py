"""The audit log: who did it is never a guess, and no secret is ever a detail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.accounts import Actor
from domain.ids import ApiTokenId, new_id
from domain.operations.audit import ActorKind, Subject, record
from tests.domain.memory import NOW, MemoryUnitOfWork
from tests.domain.world import World

THING = Subject("ClientApp", new_id())


@pytest.mark.parametrize("kind", ActorKind)
async def test_an_entry_names_the_person_the_token_or_the_platform(kind: ActorKind) -> None:
    world = World(MemoryUnitOfWork())
    token = ApiTokenId(new_id())
    actors: dict[ActorKind, Actor | None] = {
        ActorKind.USER: world.author,
        ActorKind.TOKEN: replace(world.author, api_token_id=token),
        ActorKind.PLATFORM: None,
    }
    await record(world.uow, actors[kind], "client_app.update", THING, {"name": "x"}, request_id="r1")
    [entry] = world.uow.audit.entries
    user = None if kind is ActorKind.PLATFORM else world.author.user_id
    assert (entry.actor_kind, entry.user_id, entry.api_token_id) == (
        kind, user, token if kind is ActorKind.TOKEN else None,
    )  # fmt: skip
    assert (entry.tenant_id, entry.action, entry.subject_type, entry.subject_id, entry.details, entry.request_id) == (
        world.uow.tenant_id, "client_app.update", "ClientApp", THING.id, {"name": "x"}, "r1",
    )  # fmt: skip
    assert entry.at == NOW


@pytest.mark.parametrize("name", ["secret", "api_key", "password_hash", "new_Token"])
async def test_a_detail_named_like_a_secret_is_refused(name: str) -> None:
    world = World(MemoryUnitOfWork())
    with pytest.raises(ValueError, match=name):
        await record(world.uow, world.author, "channel.update", THING, {name: "x"})
    assert world.uow.audit.entries == []


async def test_a_detail_that_only_sounds_like_a_secret_is_taken() -> None:
    world = World(MemoryUnitOfWork())
    await record(world.uow, world.author, "channel.update", THING, {"monkey": 1, "tokens_max": 2})
    assert len(world.uow.audit.entries) == 1
