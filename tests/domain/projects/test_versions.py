"""A chapter's texts: numbered, never lost, one of them current, and nobody's edit overwritten unseen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.accounts import Role
from domain.errors import ErrorCode
from domain.ids import NodeId, VersionId, new_id
from domain.projects import OutlineKind, OutlineNode, TextVersion, VersionOrigin
from domain.projects.service import (
    ANY_BASE,
    AnyBase,
    accept_version,
    delete_node,
    new_version,
    reject_version,
    update_text,
)
from tests.domain.memory import NOW
from tests.domain.world import World, refused

LATER = NOW + timedelta(hours=1)


async def saved(world: World, chapter: OutlineNode, text: str, base: VersionId | None, note: str = "") -> TextVersion:
    return await update_text(
        world.uow.projects, world.author, chapter.id, text=text, base_version_id=base, note=note, now=NOW
    )


async def candidate(world: World, chapter: OutlineNode, text: str = "A model's words.") -> TextVersion:
    version = new_version(chapter, text, VersionOrigin.AI)
    await world.uow.projects.add(version)
    return version


async def accepted(world: World, version: TextVersion, base: VersionId | AnyBase | None = ANY_BASE) -> TextVersion:
    return await accept_version(world.uow.projects, world.author, version.id, base=base, now=LATER)


@pytest.fixture
async def chapter(world: World) -> OutlineNode:
    return await world.node(await world.project())


# Saving.


async def test_the_first_text_of_a_chapter_has_no_base(world: World, chapter: OutlineNode) -> None:
    version = await saved(world, chapter, "Mira opened the door.", None, " first try ")
    assert (version.number, version.word_count, version.origin, version.state) == (1, 4, "HUMAN", "CURRENT")
    assert (version.base_version_id, version.author_id, version.note) == (None, world.author.user_id, "first try")
    assert (chapter.current_version_id, chapter.word_count, chapter.status) == (version.id, 4, "DRAFT")
    assert chapter.updated_at == NOW


async def test_a_new_text_archives_the_one_before_and_names_it_as_its_base(world: World, chapter: OutlineNode) -> None:
    one = await saved(world, chapter, "one", None)
    two = await saved(world, chapter, "two words", one.id)
    assert (one.state, one.text) == ("ARCHIVED", "one")
    assert (two.number, two.base_version_id, two.state) == (2, one.id, "CURRENT")
    assert chapter.word_count == 2
    assert world.uow.projects.current(chapter) is two


async def test_search_knows_the_current_text_alone(world: World, chapter: OutlineNode) -> None:
    one = await saved(world, chapter, "one", None)
    await candidate(world, chapter, "unseen")
    await saved(world, chapter, "two", one.id)
    assert world.uow.projects.indexed == {chapter.id: "two"}


async def test_an_edit_of_a_text_that_is_no_longer_current_conflicts_and_changes_nothing(
    world: World, chapter: OutlineNode
) -> None:
    one = await saved(world, chapter, "one", None)
    two = await saved(world, chapter, "two", one.id)
    for stale in (one.id, None, VersionId(new_id())):
        with refused(ErrorCode.CONFLICT, "baseVersionId"):
            await saved(world, chapter, "mine", stale)
    assert set(world.uow.projects.versions) == {one.id, two.id}
    assert (chapter.current_version_id, chapter.versions_made) == (two.id, 2)


async def test_a_text_that_cannot_be_stored_is_refused(world: World, chapter: OutlineNode) -> None:
    with refused(ErrorCode.TOO_LONG, "text"):
        await saved(world, chapter, "x" * 500_001, None)
    with refused(ErrorCode.INVALID_CHARACTERS, "text"):
        await saved(world, chapter, "a\x00b", None)
    with refused(ErrorCode.TOO_LONG, "note"):
        await saved(world, chapter, "text", None, "x" * 501)
    assert world.uow.projects.versions == {}


async def test_only_a_chapter_has_a_text(world: World) -> None:
    scene = await world.node(await world.project(), kind=OutlineKind.SCENE)
    with refused(ErrorCode.NOT_FOUND, "chapterId"):
        await saved(world, scene, "text", None)


# Candidates.


def test_a_candidate_takes_the_chapters_next_number_and_its_current_text_as_base() -> None:
    tenant_id, current = new_id(), VersionId(new_id())
    node = OutlineNode(tenant_id, NodeId(new_id()), new_id(), "CHAPTER", "One", "1", "1", current_version_id=current)  # type: ignore[arg-type]
    one, two = (new_version(node, "two words", VersionOrigin.AI) for _ in range(2))
    assert [version.number for version in (one, two)] == [1, 2]
    assert (one.state, one.base_version_id, one.word_count, one.node_id) == ("CANDIDATE", current, 2, node.id)
    assert node.current_version_id == current


async def test_an_accepted_candidate_becomes_the_text(world: World, chapter: OutlineNode) -> None:
    mine = await saved(world, chapter, "mine", None)
    version = await candidate(world, chapter)
    await accepted(world, version)
    assert (mine.state, version.state) == ("ARCHIVED", "CURRENT")
    assert (chapter.current_version_id, chapter.status, chapter.word_count) == (version.id, "ACCEPTED", 3)
    assert (chapter.updated_at, world.uow.projects.indexed[chapter.id]) == (LATER, "A model's words.")


async def test_accepting_the_current_text_changes_nothing(world: World, chapter: OutlineNode) -> None:
    mine = await saved(world, chapter, "mine", None)
    assert await accepted(world, mine, VersionId(new_id())) is mine
    assert (mine.state, chapter.status, chapter.updated_at) == ("CURRENT", "DRAFT", NOW)


async def test_accepting_conflicts_when_the_text_has_changed_since_the_author_looked(
    world: World, chapter: OutlineNode
) -> None:
    mine = await saved(world, chapter, "mine", None)
    version = await candidate(world, chapter)
    newer = await saved(world, chapter, "newer", mine.id)
    for stale in (mine.id, None):
        with refused(ErrorCode.CONFLICT, "baseVersionId"):
            await accepted(world, version, stale)
    assert (version.state, world.uow.projects.current(chapter)) == ("CANDIDATE", newer)
    assert (await accepted(world, version, newer.id)).state == "CURRENT"


async def test_who_names_no_base_accepts_whatever_is_current(world: World, chapter: OutlineNode) -> None:
    await saved(world, chapter, "mine", None)
    version = await candidate(world, chapter)
    assert (await accepted(world, version, ANY_BASE)).state == "CURRENT"


async def test_an_older_text_is_accepted_back_and_an_authors_own_is_a_draft(world: World, chapter: OutlineNode) -> None:
    mine = await saved(world, chapter, "mine", None)
    version = await accepted(world, await candidate(world, chapter))
    await accepted(world, mine)
    assert (mine.state, version.state, chapter.status) == ("CURRENT", "ARCHIVED", "DRAFT")
    assert world.uow.projects.current(chapter) is mine


async def test_a_chapter_that_is_being_written_says_so_whatever_is_accepted(world: World, chapter: OutlineNode) -> None:
    version = await candidate(world, chapter)
    chapter.status = "GENERATING"
    await accepted(world, version)
    assert (chapter.status, chapter.current_version_id) == ("GENERATING", version.id)


async def test_a_rejected_candidate_is_kept_and_can_still_be_accepted(world: World, chapter: OutlineNode) -> None:
    version = await candidate(world, chapter)
    for _ in range(2):
        await reject_version(world.uow.projects, world.author, version.id)
        assert version.state == "REJECTED"
    assert (chapter.current_version_id, chapter.status) == (None, "PLANNED")
    assert (await accepted(world, version)).state == "CURRENT"


async def test_a_text_that_is_or_was_the_chapters_cannot_be_rejected(world: World, chapter: OutlineNode) -> None:
    old = await saved(world, chapter, "old", None)
    current = await saved(world, chapter, "current", old.id)
    for version in (old, current):
        with refused(ErrorCode.INVALID_STATE, "versionId"):
            await reject_version(world.uow.projects, world.author, version.id)
    assert (old.state, current.state) == ("ARCHIVED", "CURRENT")


async def test_a_candidate_that_became_current_while_we_waited_for_the_chapter_cannot_be_rejected(
    world: World, chapter: OutlineNode
) -> None:
    read_before_the_lock = await candidate(world, chapter)
    chapter.current_version_id = read_before_the_lock.id
    with refused(ErrorCode.INVALID_STATE, "versionId"):
        await reject_version(world.uow.projects, world.author, read_before_the_lock.id)


async def test_a_version_that_is_not_there_or_of_a_deleted_chapter_is_not_found(
    world: World, chapter: OutlineNode
) -> None:
    missing, version = VersionId(new_id()), await candidate(world, chapter)
    with refused(ErrorCode.NOT_FOUND, "versionId"):
        await accept_version(world.uow.projects, world.author, missing, base=ANY_BASE, now=NOW)
    with refused(ErrorCode.NOT_FOUND, "versionId"):
        await reject_version(world.uow.projects, world.author, missing)
    await delete_node(world.uow.projects, world.author, chapter.id, NOW)
    with refused(ErrorCode.NOT_FOUND, "id"):
        await accepted(world, version)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
async def test_who_may_only_read_changes_no_text(world: World, chapter: OutlineNode, role: Role) -> None:
    version, reader, projects = await candidate(world, chapter), world.actor(role), world.uow.projects
    for attempt in (
        update_text(projects, reader, chapter.id, text="mine", base_version_id=None, note="", now=NOW),
        accept_version(projects, reader, version.id, base=ANY_BASE, now=NOW),
        reject_version(projects, reader, version.id),
    ):
        with refused(ErrorCode.FORBIDDEN):
            await attempt
    assert (version.state, chapter.current_version_id) == ("CANDIDATE", None)


async def test_who_changes_a_text_locks_its_chapter_and_not_the_project(world: World, chapter: OutlineNode) -> None:
    locked = world.uow.projects.locked
    version = await candidate(world, chapter)
    for change in (
        reject_version(world.uow.projects, world.author, version.id),
        accepted(world, version),
        saved(world, chapter, "mine", version.id),
    ):
        locked.clear()
        await change
        assert locked == [chapter.id]
