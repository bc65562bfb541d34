"""Story: codex entries and what relates them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from domain.accounts import Role
from domain.errors import ErrorCode
from domain.ids import EntryId, ProjectId, RelationId, new_id
from domain.story import (
    ALIASES_MAX,
    ATTRIBUTES_MAX,
    CodexEntry,
    CodexInclusion,
    CodexKind,
    CodexRelation,
    EntryDraft,
    create_entry,
    delete_entry,
    relate,
    unrelate,
    update_entry,
)
from tests.domain.memory import NOW
from tests.domain.world import World, refused

PROJECT = ProjectId(new_id())


async def entry(world: World, name: str = "Mira", project_id: ProjectId = PROJECT, **values: object) -> CodexEntry:
    draft = EntryDraft(name=name, **values)  # type: ignore[arg-type]
    return await create_entry(world.uow.story, world.author, project_id, draft)


async def related(world: World, one: CodexEntry, other: CodexEntry, kind: str = "sister of") -> CodexRelation:
    return await relate(world.uow.story, world.author, from_id=one.id, to_id=other.id, kind=kind, note="")


async def test_an_entry_is_a_character_that_is_detected_unless_it_says_otherwise(world: World) -> None:
    plain = await entry(world)
    assert (plain.kind, plain.inclusion, plain.aliases, plain.attributes) == ("CHARACTER", "DETECTED", [], [])
    place = await entry(world, "Harrow", kind=CodexKind.PLACE, inclusion=CodexInclusion.ALWAYS)
    assert (place.kind, place.inclusion) == ("PLACE", "ALWAYS")
    assert world.uow.story.rows == {plain.id: plain, place.id: place}


async def test_an_entry_is_cleaned_as_it_comes_in(world: World) -> None:
    made = await entry(
        world,
        "  Mira Vale ",
        aliases=[" Mira ", "the Ferryman", "Mira"],
        attributes=[{"key": " eyes ", "value": "grey\nand cold"}],
    )
    assert made.name == "Mira Vale"
    assert made.aliases == ["Mira", "the Ferryman"]
    assert made.attributes == [{"key": "eyes", "value": "grey\nand cold"}]


async def test_an_entry_without_a_name_is_refused(world: World) -> None:
    for draft in (EntryDraft(), EntryDraft(name=" ")):
        with refused(ErrorCode.EMPTY, "name"):
            await create_entry(world.uow.story, world.author, PROJECT, draft)
    assert world.uow.story.rows == {}


async def test_what_a_draft_leaves_out_stays_as_it_is(world: World) -> None:
    made = await entry(world, aliases=["M."], summary="A diver.")
    later = NOW + timedelta(hours=1)
    await update_entry(world.uow.story, world.author, made.id, EntryDraft(summary="A thief."), later)
    assert (made.name, made.aliases, made.summary, made.updated_at) == ("Mira", ["M."], "A thief.", later)
    await update_entry(world.uow.story, world.author, made.id, EntryDraft(aliases=[], summary=""), later)
    assert (made.aliases, made.summary) == ([], "")


async def test_an_entry_has_fifty_aliases_and_no_more(world: World) -> None:
    names = [f"alias {number}" for number in range(ALIASES_MAX + 1)]
    assert len((await entry(world, aliases=names[:-1])).aliases) == 50
    with refused(ErrorCode.LIMIT_REACHED, "aliases"):
        await entry(world, aliases=names)


async def test_an_entry_has_a_hundred_attributes_and_no_more(world: World) -> None:
    attributes = [{"key": f"k{number}", "value": "v"} for number in range(ATTRIBUTES_MAX + 1)]
    assert len((await entry(world, attributes=attributes[:-1])).attributes) == 100
    with refused(ErrorCode.LIMIT_REACHED, "attributes"):
        await entry(world, attributes=attributes)


async def test_two_attributes_with_one_key_are_refused(world: World) -> None:
    with refused(ErrorCode.ALREADY_EXISTS, "attributes"):
        await entry(world, attributes=[{"key": "eyes", "value": "grey"}, {"key": " eyes", "value": "blue"}])


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("summary", "x" * 5_001, ErrorCode.TOO_LONG),
        ("summary", "\x00", ErrorCode.INVALID_CHARACTERS),
        ("aliases", [""], ErrorCode.EMPTY),
        ("aliases", ["x" * 201], ErrorCode.TOO_LONG),
        ("attributes", [{"key": "", "value": "v"}], ErrorCode.EMPTY),
        ("attributes", [{"key": "k", "value": "x" * 5_001}], ErrorCode.TOO_LONG),
    ],
)
async def test_a_value_that_cannot_be_stored_is_refused_at_its_field(
    world: World, field: str, value: object, code: ErrorCode
) -> None:
    with refused(code, field):
        await entry(world, **{field: value})  # type: ignore[arg-type]
    assert world.uow.story.rows == {}


async def test_a_project_has_five_thousand_entries_and_no_more(world: World) -> None:
    first = await entry(world, "the first")
    world.uow.story.rows.update((EntryId(UUID(int=number)), first) for number in range(4_998))
    last = await entry(world, "the last")
    with refused(ErrorCode.LIMIT_REACHED):
        await entry(world, "one too many")
    await delete_entry(world.uow.story, world.author, last.id, NOW)
    await entry(world, "one in its place")


async def test_a_deleted_entry_is_gone_with_its_relations(world: World) -> None:
    mira, jon, ann = [await entry(world, name) for name in ("Mira", "Jon", "Ann")]
    await related(world, mira, jon)
    await related(world, ann, mira)
    kept = await related(world, jon, ann)
    await delete_entry(world.uow.story, world.author, mira.id, NOW)
    assert mira.deleted_at == NOW
    assert list(world.uow.story.relations) == [kept.id]
    with refused(ErrorCode.NOT_FOUND, "id"):
        await update_entry(world.uow.story, world.author, mira.id, EntryDraft(name="M."), NOW)


async def test_a_relation_joins_two_entries_of_one_project(world: World) -> None:
    mira, jon = await entry(world, "Mira"), await entry(world, "Jon")
    made = await relate(
        world.uow.story, world.author, from_id=mira.id, to_id=jon.id, kind=" sister of ", note="by adoption"
    )
    assert (made.project_id, made.from_id, made.to_id) == (PROJECT, mira.id, jon.id)
    assert (made.kind, made.note) == ("sister of", "by adoption")


async def test_a_relation_is_told_once_in_each_direction_and_of_each_kind(world: World) -> None:
    mira, jon = await entry(world, "Mira"), await entry(world, "Jon")
    await related(world, mira, jon)
    await related(world, jon, mira)
    await related(world, mira, jon, "fears")
    with refused(ErrorCode.ALREADY_EXISTS, "kind"):
        await related(world, mira, jon, " sister of ")
    assert len(world.uow.story.relations) == 3


async def test_an_entry_relates_neither_to_itself_nor_into_another_project(world: World) -> None:
    mira, stranger = await entry(world), await entry(world, "Jon", ProjectId(new_id()))
    for other in (mira, stranger):
        with refused(ErrorCode.BAD_USER_INPUT, "toId"):
            await related(world, mira, other)


async def test_a_relation_needs_both_of_its_entries(world: World) -> None:
    mira = await entry(world)
    missing = EntryId(new_id())
    for ends, field in (((missing, mira.id), "fromId"), ((mira.id, missing), "toId")):
        with refused(ErrorCode.NOT_FOUND, field):
            await relate(world.uow.story, world.author, from_id=ends[0], to_id=ends[1], kind="k", note="")


async def test_a_relation_is_taken_back(world: World) -> None:
    mira, jon = await entry(world, "Mira"), await entry(world, "Jon")
    made = await related(world, mira, jon)
    await unrelate(world.uow.story, world.author, made.id)
    assert world.uow.story.relations == {}
    with refused(ErrorCode.NOT_FOUND, "id"):
        await unrelate(world.uow.story, world.author, RelationId(made.id))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
async def test_who_may_only_read_changes_nothing_in_the_codex(world: World, role: Role) -> None:
    mira, jon = await entry(world, "Mira"), await entry(world, "Jon")
    relation, reader, story = await related(world, mira, jon), world.actor(role), world.uow.story
    for attempt in (
        create_entry(story, reader, PROJECT, EntryDraft(name="Ann")),
        update_entry(story, reader, mira.id, EntryDraft(name="M."), NOW),
        delete_entry(story, reader, mira.id, NOW),
        relate(story, reader, from_id=mira.id, to_id=jon.id, kind="fears", note=""),
        unrelate(story, reader, relation.id),
    ):
        with refused(ErrorCode.FORBIDDEN):
            await attempt
    assert (set(story.rows), set(story.relations)) == ({mira.id, jon.id}, {relation.id})
    assert (mira.name, mira.deleted_at) == ("Mira", None)
