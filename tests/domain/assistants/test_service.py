"""Making assistants and using them: what is allowed to whom, and the edges of what they may hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from domain.accounts import Actor, Role
from domain.assistants import market, service
from domain.assistants.drafts import AssistantDraft, VersionDraft
from domain.assistants.entities import Assistant, AssistantVersion, Mark, ReactionKind, ReportReason, Visibility
from domain.errors import ErrorCode, Forbidden
from domain.ids import AssistantId, AssistantVersionId, TenantId, new_id
from tests.domain.memory import NOW, MemoryUnitOfWork
from tests.domain.world import actor_of, refused


@pytest.fixture
def owner(uow: MemoryUnitOfWork) -> Actor:
    return actor_of(uow.tenant_id, Role.AUTHOR)


async def make(uow: MemoryUnitOfWork, actor: Actor, **values: Any) -> Assistant:
    return await service.create_assistant(uow.assistants, actor, AssistantDraft(**{"name": "Plotter", **values}))


async def give(uow: MemoryUnitOfWork, actor: Actor, assistant: Assistant, **values: Any) -> AssistantVersion:
    draft = VersionDraft(**{"prompt": "You find plots.", **values})
    return await service.create_version(uow.assistants, actor, assistant.id, draft, NOW)


async def shared(uow: MemoryUnitOfWork, owner: Actor, visibility: Visibility) -> tuple[Assistant, AssistantVersion]:
    assistant = await make(uow, owner)
    version = await give(uow, owner, assistant)
    await service.publish(uow, owner, assistant.id, service.Wish(visibility))
    return assistant, version


# -- limits ----------------------------------------------------------------------------------------------------------

PAIR = ("a", "b")
VERSION_EDGES: list[tuple[str, Callable[[int], Any], int, ErrorCode, tuple[str, ...]]] = [
    ("prompt", lambda n: "x" * n, 20_000, ErrorCode.TOO_LONG, ("prompt",)),
    ("greeting", lambda n: "x" * n, 5_000, ErrorCode.TOO_LONG, ("greeting",)),
    ("changelog", lambda n: "x" * n, 5_000, ErrorCode.TOO_LONG, ("changelog",)),
    ("opening_messages", lambda n: ["x"] * n, 10, ErrorCode.LIMIT_REACHED, ("openingMessages",)),
    ("opening_messages", lambda n: ["x" * n], 500, ErrorCode.TOO_LONG, ("openingMessages",)),
    ("examples", lambda n: [PAIR] * n, 20, ErrorCode.LIMIT_REACHED, ("examples",)),
    ("examples", lambda n: [("x" * n, "y")], 5_000, ErrorCode.TOO_LONG, ("examples",)),
    ("tools", lambda n: [PAIR] * n, 20, ErrorCode.LIMIT_REACHED, ("tools",)),
    ("tools", lambda n: [("x" * n, "")], 64, ErrorCode.BAD_USER_INPUT, ("tools",)),
    ("tools", lambda n: [("x", "y" * n)], 5_000, ErrorCode.TOO_LONG, ("tools",)),
    ("knowledge_base_ids", lambda n: [str(i) for i in range(n)], 20, ErrorCode.LIMIT_REACHED, ("knowledgeBaseIds",)),
    ("model", lambda n: "x" * n, 200, ErrorCode.TOO_LONG, ("modelPreferences",)),
    ("temperature", lambda n: n, 2, ErrorCode.BAD_USER_INPUT, ("modelPreferences", "temperature")),
    ("max_output_tokens", lambda n: n, 1_000_000, ErrorCode.BAD_USER_INPUT, ("modelPreferences", "maxOutputTokens")),
]


@pytest.mark.parametrize(("name", "of", "most", "code", "field"), VERSION_EDGES)
async def test_a_version_holds_so_much_and_no_more(
    uow: MemoryUnitOfWork, owner: Actor, name: str, of: Callable[[int], Any], most: int, code: ErrorCode,
    field: tuple[str, ...],
) -> None:  # fmt: skip
    assistant = await make(uow, owner)
    with refused(code, *field):
        await give(uow, owner, assistant, **{name: of(most + 1)})
    assert (assistant.versions_made, uow.assistants.versions) == (0, {})
    version = await give(uow, owner, assistant, **{name: of(most)})
    assert getattr(version, name)


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"prompt": "\n "}, ErrorCode.EMPTY, ("prompt",)),
        ({"examples": [("a", " ")]}, ErrorCode.EMPTY, ("examples",)),
        ({"opening_messages": [""]}, ErrorCode.EMPTY, ("openingMessages",)),
        ({"tools": [("1st", "")]}, ErrorCode.BAD_USER_INPUT, ("tools",)),
        ({"temperature": -0.1}, ErrorCode.BAD_USER_INPUT, ("modelPreferences", "temperature")),
        ({"temperature": float("nan")}, ErrorCode.BAD_USER_INPUT, ("modelPreferences", "temperature")),
        ({"max_output_tokens": 0}, ErrorCode.BAD_USER_INPUT, ("modelPreferences", "maxOutputTokens")),
    ],
)
async def test_what_cannot_be_a_version_is_refused(
    uow: MemoryUnitOfWork, owner: Actor, values: dict[str, Any], code: ErrorCode, field: tuple[str, ...]
) -> None:
    assistant = await make(uow, owner)
    with refused(code, *field):
        await give(uow, owner, assistant, **values)


async def test_the_least_of_the_preferences_can_be_asked_for(uow: MemoryUnitOfWork, owner: Actor) -> None:
    version = await give(uow, owner, await make(uow, owner), temperature=0, max_output_tokens=1)
    assert (version.temperature, version.max_output_tokens) == (0, 1)


@pytest.mark.parametrize(
    ("name", "of", "most", "code", "field"),
    [
        ("name", lambda n: "x" * n, 200, ErrorCode.TOO_LONG, "name"),
        ("description", lambda n: "x" * n, 5_000, ErrorCode.TOO_LONG, "description"),
        ("tags", lambda n: [str(i) for i in range(n)], 10, ErrorCode.LIMIT_REACHED, "tags"),
        ("tags", lambda n: ["x" * n], 40, ErrorCode.TOO_LONG, "tags"),
    ],
)
async def test_an_assistant_holds_so_much_and_no_more(
    uow: MemoryUnitOfWork, owner: Actor, name: str, of: Callable[[int], Any], most: int, code: ErrorCode, field: str
) -> None:
    with refused(code, field):
        await make(uow, owner, **{name: of(most + 1)})
    assert getattr(await make(uow, owner, **{name: of(most)}), name) == of(most)


async def test_tags_are_small_letters_each_once(uow: MemoryUnitOfWork, owner: Actor) -> None:
    given = ["Sci Fi", "sci-fi", " #SCI  fi ", "悬疑", *["悬疑"] * 10]
    assert (await make(uow, owner, tags=given)).tags == ["sci-fi", "悬疑"]
    with refused(ErrorCode.EMPTY, "tags"):
        await make(uow, owner, tags=["#"])


async def test_an_assistant_has_so_many_versions_and_no_more(uow: MemoryUnitOfWork, owner: Actor) -> None:
    assistant = await make(uow, owner)
    assistant.versions_made = service.VERSIONS_MAX - 1
    assert (await give(uow, owner, assistant)).number == service.VERSIONS_MAX == 200
    with refused(ErrorCode.LIMIT_REACHED):
        await give(uow, owner, assistant)


async def test_a_tenant_has_so_many_assistants_and_no_more(
    uow: MemoryUnitOfWork, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ASSISTANTS_MAX", 2)
    first = await make(uow, owner)
    await make(uow, owner)
    with refused(ErrorCode.LIMIT_REACHED):
        await make(uow, owner)
    await service.delete(uow, owner, first.id)
    await make(uow, owner)


# -- rights ----------------------------------------------------------------------------------------------------------


async def test_who_only_reads_makes_none(uow: MemoryUnitOfWork) -> None:
    with pytest.raises(Forbidden):
        await make(uow, actor_of(uow.tenant_id, Role.VIEWER))


async def test_a_private_one_is_not_there_even_for_an_administrator(uow: MemoryUnitOfWork, owner: Actor) -> None:
    assistant = await make(uow, owner)
    version = await give(uow, owner, assistant)
    admin = actor_of(uow.tenant_id, Role.ADMIN)
    with refused(ErrorCode.NOT_FOUND, "id"):
        await service.delete(uow, admin, assistant.id)
    with refused(ErrorCode.NOT_FOUND, "assistantId"):
        await market.react(uow.assistants, admin, assistant.id, ReactionKind.LIKE, on=True)
    with refused(ErrorCode.NOT_FOUND, "assistantVersionId"):
        await market.assistant_of(uow, admin, version.id)


async def test_of_the_tenants_an_administrator_changes_all_and_an_author_his_own(
    uow: MemoryUnitOfWork, owner: Actor
) -> None:
    assistant, _ = await shared(uow, owner, Visibility.TENANT)
    with refused(ErrorCode.FORBIDDEN, "id"):
        await service.update_assistant(
            uow.assistants, actor_of(uow.tenant_id, Role.EDITOR), assistant.id, AssistantDraft("x"), NOW
        )
    await service.update_assistant(
        uow.assistants, actor_of(uow.tenant_id, Role.ADMIN), assistant.id, AssistantDraft("x"), NOW
    )
    assert assistant.name == "x"


# -- publishing ------------------------------------------------------------------------------------------------------


async def test_what_is_shown_to_the_tenant_alone_is_withdrawn_from_everybody(
    uow: MemoryUnitOfWork, owner: Actor
) -> None:
    assistant, version = await shared(uow, owner, Visibility.PUBLIC)
    assert await uow.assistants.published(assistant.id) == version.id
    await service.publish(uow, owner, assistant.id, service.Wish(Visibility.TENANT))
    assert (await uow.assistants.published(assistant.id), assistant.visibility) == (None, Visibility.TENANT)


async def test_a_refused_publication_changes_nothing(uow: MemoryUnitOfWork, owner: Actor) -> None:
    assistant = await make(uow, owner)
    with refused(ErrorCode.INVALID_STATE, "assistantId"):
        await service.publish(uow, owner, assistant.id, service.Wish(Visibility.PUBLIC, AssistantDraft(tags=["x"])))
    assert (assistant.visibility, assistant.tags) == (Visibility.PRIVATE, [])


async def test_a_preview_publishes_nothing(uow: MemoryUnitOfWork, owner: Actor) -> None:
    assistant = await make(uow, owner)
    await give(uow, owner, assistant, prompt="password: hunter22")
    copy = await service.preview(uow.assistants, owner, assistant.id)
    assert (copy.version.prompt, uow.assistants.publications) == ("password: [removed]", {})
    assert assistant.visibility == Visibility.PRIVATE


# -- using -----------------------------------------------------------------------------------------------------------


async def test_a_conversation_has_of_its_tenants_what_was_written_and_of_others_the_copy(
    uow: MemoryUnitOfWork, owner: Actor
) -> None:
    assistant = await make(uow, owner)
    base, prompt = str(new_id()), "password: hunter22"
    version = await give(uow, owner, assistant, prompt=prompt, knowledge_base_ids=[base], greeting="Hi.", model="m")
    await service.publish(uow, owner, assistant.id, service.Wish(Visibility.PUBLIC))
    own = await market.assistant_of(uow, actor_of(uow.tenant_id, Role.VIEWER), version.id)
    assert (own.prompt, own.knowledge_base_ids, own.greeting, own.model) == (prompt, [base], "Hi.", "m")
    uow.assistants.assistants.clear()
    uow.assistants.versions.clear()
    others = await market.assistant_of(uow, actor_of(TenantId(new_id())), version.id)
    assert (others.prompt, others.knowledge_base_ids) == ("password: [removed]", [])
    assert (others.assistant_id, others.number) == (assistant.id, 1)


async def test_a_deleted_ones_versions_are_nobodys(uow: MemoryUnitOfWork, owner: Actor) -> None:
    assistant, version = await shared(uow, owner, Visibility.PUBLIC)
    await service.delete(uow, owner, assistant.id)
    with refused(ErrorCode.NOT_FOUND, "assistantVersionId"):
        await market.assistant_of(uow, owner, version.id)
    with refused(ErrorCode.NOT_FOUND, "assistantVersionId"):
        await market.assistant_of(uow, owner, AssistantVersionId(new_id()))


async def test_marks_are_one_for_each_user_and_leave_each_other_alone(uow: MemoryUnitOfWork, owner: Actor) -> None:
    assistant, _ = await shared(uow, owner, Visibility.TENANT)
    reader, room = actor_of(uow.tenant_id, Role.VIEWER), uow.assistants
    await market.react(room, reader, assistant.id, ReactionKind.LIKE, on=True)
    await market.rate(room, reader, assistant.id, 1, " Dull. ")
    await market.rate(room, reader, assistant.id, 5)
    await market.react(room, reader, assistant.id, ReactionKind.FAVOURITE, on=True)
    await market.react(room, reader, assistant.id, ReactionKind.LIKE, on=False)
    assert room.marks == {(assistant.id, reader.user_id): Mark(liked=False, favourite=True, stars=5, words="")}


@pytest.mark.parametrize("stars", [0, 6, -1])
async def test_a_rating_is_one_to_five(uow: MemoryUnitOfWork, owner: Actor, stars: int) -> None:
    assistant, _ = await shared(uow, owner, Visibility.TENANT)
    with refused(ErrorCode.BAD_USER_INPUT, "rating"):
        await market.rate(uow.assistants, owner, assistant.id, stars)


async def test_the_words_of_a_rating_are_so_long_and_no_longer(uow: MemoryUnitOfWork, owner: Actor) -> None:
    assistant, _ = await shared(uow, owner, Visibility.TENANT)
    with refused(ErrorCode.TOO_LONG, "words"):
        await market.rate(uow.assistants, owner, assistant.id, 1, "x" * 2_001)
    await market.rate(uow.assistants, owner, assistant.id, 1, "x" * 2_000)
    assert uow.assistants.marks[assistant.id, owner.user_id].words == "x" * 2_000


async def test_only_what_is_published_is_installed_and_reported(uow: MemoryUnitOfWork, owner: Actor) -> None:
    tenants, _ = await shared(uow, owner, Visibility.TENANT)
    for id_ in (tenants.id, AssistantId(new_id())):
        with refused(ErrorCode.NOT_FOUND, "assistantId"):
            await market.install(uow, owner, id_)
        with refused(ErrorCode.NOT_FOUND, "assistantId"):
            await market.report(uow.assistants, owner, id_, ReportReason.SPAM, "")
    public, version = await shared(uow, owner, Visibility.PUBLIC)
    assert await market.install(uow, owner, public.id) == version.id
    await market.report(uow.assistants, owner, public.id, ReportReason.SPAM, "Buy!")
    assert uow.assistants.reports == {(public.id, owner.user_id): (ReportReason.SPAM, "Buy!")}
    await market.uninstall(uow.assistants, owner, public.id)
    with refused(ErrorCode.NOT_FOUND, "assistantId"):
        await market.uninstall(uow.assistants, owner, public.id)


async def test_who_may_not_read_marks_nothing(uow: MemoryUnitOfWork, owner: Actor) -> None:
    assistant, version = await shared(uow, owner, Visibility.PUBLIC)
    nobody = replace(owner, permissions=frozenset())
    for asked in (
        market.react(uow.assistants, nobody, assistant.id, ReactionKind.LIKE, on=True),
        market.rate(uow.assistants, nobody, assistant.id, 5),
        market.install(uow, nobody, assistant.id),
        market.uninstall(uow.assistants, nobody, assistant.id),
        market.report(uow.assistants, nobody, assistant.id, ReportReason.SPAM, ""),
        market.assistant_of(uow, nobody, version.id),
    ):
        with pytest.raises(Forbidden):
            await asked
