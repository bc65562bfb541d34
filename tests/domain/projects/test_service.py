"""Projects and their outline: creating, nesting, moving, deleting, and who may."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import Role
from domain.errors import ErrorCode
from domain.ids import NodeId, ProjectId, new_id
from domain.projects import OutlineKind, OutlineNode, Project
from domain.projects.service import (
    NODES_MAX,
    NodeDraft,
    ProjectDraft,
    create_node,
    create_project,
    delete_node,
    delete_project,
    get_project,
    move_node,
    restore_project,
    update_node,
    update_project,
)
from tests.domain.memory import NOW, MemoryUnitOfWork
from tests.domain.world import World, refused

LATER = NOW + timedelta(hours=1)
VOLUME, ARC, CHAPTER, SCENE = OutlineKind.VOLUME, OutlineKind.ARC, OutlineKind.CHAPTER, OutlineKind.SCENE


# Projects.


async def test_a_project_begins_active_in_english_and_without_a_goal(world: World) -> None:
    project = await world.project("  The Salt Road ")
    assert (project.title, project.language, project.status, project.target_words) == (
        "The Salt Road", "en", "ACTIVE", None,
    )  # fmt: skip
    assert project.tenant_id == world.author.tenant_id
    assert world.uow.projects.projects == {project.id: project}


@pytest.mark.parametrize("title", [None, "", " \n "])
async def test_a_project_needs_a_title(world: World, title: str | None) -> None:
    with refused(ErrorCode.EMPTY, "title"):
        await create_project(world.uow.projects, world.author, ProjectDraft(title))
    assert world.uow.projects.projects == {}


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"title": "x" * 201}, ErrorCode.TOO_LONG, "title"),
        ({"title": "\x07"}, ErrorCode.INVALID_CHARACTERS, "title"),
        ({"language": "Klingon"}, ErrorCode.BAD_USER_INPUT, "language"),
        ({"genre": "x" * 201}, ErrorCode.TOO_LONG, "genre"),
        ({"premise": "x" * 5_001}, ErrorCode.TOO_LONG, "premise"),
        ({"style_guide": "x" * 20_001}, ErrorCode.TOO_LONG, "styleGuide"),
        ({"target_words": 0}, ErrorCode.BAD_USER_INPUT, "targetWords"),
        ({"target_words": 10_000_001}, ErrorCode.BAD_USER_INPUT, "targetWords"),
    ],
)
async def test_a_value_beyond_its_limit_is_refused_at_its_field(
    world: World, values: dict[str, object], code: ErrorCode, field: str
) -> None:
    with refused(code, field):
        await world.project(**{"title": "T", **values})  # type: ignore[arg-type]


async def test_values_at_their_limits_are_taken(world: World) -> None:
    project = await world.project(
        "x" * 200, genre="", premise="p" * 5_000, style_guide="s" * 20_000, target_words=10_000_000
    )
    assert (len(project.premise), len(project.style_guide), project.target_words) == (5_000, 20_000, 10_000_000)


async def test_what_an_update_leaves_out_stays_as_it_is(world: World) -> None:
    project = await world.project("One", genre="fantasy", premise="P", target_words=5)
    draft = ProjectDraft(title="Two", genre="")
    await update_project(world.uow.projects, world.author, project.id, draft, LATER)
    assert (project.title, project.genre, project.premise, project.target_words) == ("Two", "", "P", 5)
    assert project.updated_at == LATER


async def test_a_deleted_project_is_not_found_until_it_is_restored(world: World) -> None:
    project = await world.project()
    chapter = await world.node(project)
    projects, author = world.uow.projects, world.author
    await delete_project(projects, author, project.id, NOW)
    await delete_project(projects, author, project.id, LATER)
    assert project.deleted_at == NOW
    with refused(ErrorCode.NOT_FOUND, "id"):
        await get_project(projects, project.id)
    with refused(ErrorCode.NOT_FOUND, "id"):
        await update_node(projects, author, chapter.id, NOW, title="Two")
    await restore_project(projects, author, project.id)
    assert await get_project(projects, project.id) is project
    assert (await update_node(projects, author, chapter.id, NOW, title="Two")).title == "Two"


async def test_a_project_that_is_not_there_is_not_found(world: World) -> None:
    missing, projects, author = ProjectId(new_id()), world.uow.projects, world.author
    for attempt in (
        update_project(projects, author, missing, ProjectDraft(), NOW),
        delete_project(projects, author, missing, NOW),
        restore_project(projects, author, missing),
    ):
        with refused(ErrorCode.NOT_FOUND, "id"):
            await attempt
    with refused(ErrorCode.NOT_FOUND, "projectId"):
        await create_node(projects, author, NodeDraft(missing, CHAPTER, "One"))


# The outline.


def reading_order(world: World, project: Project) -> list[str]:
    nodes = [node for node in world.uow.projects.nodes.values() if node.project_id == project.id]
    return [node.title for node in sorted(nodes, key=lambda node: node.path) if node.deleted_at is None]


async def test_a_new_node_goes_to_the_end_or_where_it_is_put(world: World) -> None:
    project = await world.project()
    one = await world.node(project, "one")
    await world.node(project, "two")
    await world.node(project, "between", after=one)
    await world.node(project, "three")
    assert reading_order(world, project) == ["one", "between", "two", "three"]


async def test_a_nodes_path_is_its_parents_and_its_own_position(world: World) -> None:
    project = await world.project()
    volume = await world.node(project, "I", VOLUME)
    await world.node(project, "one", parent=volume)
    two = await world.node(project, "two", parent=volume)
    scene = await world.node(project, "dawn", SCENE, parent=two)
    assert (volume.path, two.path, scene.path) == ("1", "1/2", "1/2/1")
    assert (volume.depth, two.depth, scene.depth) == (0, 1, 2)
    assert (scene.parent_id, scene.position) == (two.id, "1")


async def test_a_level_lies_only_in_an_outer_one_and_any_may_be_left_out(world: World) -> None:
    project = await world.project()
    for (above, outer), (below, inner) in product(enumerate((VOLUME, ARC, CHAPTER, SCENE)), repeat=2):
        parent = await world.node(project, "outer", outer)
        if above < below:
            assert (await world.node(project, "inner", inner, parent)).parent_id == parent.id
        else:
            with refused(ErrorCode.BAD_USER_INPUT, "parentId"):
                await world.node(project, "inner", inner, parent)


async def test_a_parent_and_a_sibling_must_be_of_the_same_project_and_place(world: World) -> None:
    project, other = await world.project(), await world.project("Another")
    volume, foreign = await world.node(project, "I", VOLUME), await world.node(other, "I", VOLUME)
    inside = await world.node(project, "one", parent=volume)
    with refused(ErrorCode.NOT_FOUND, "parentId"):
        await world.node(project, "two", parent=foreign)
    with refused(ErrorCode.NOT_FOUND, "afterId"):
        await world.node(project, "two", after=inside)
    with refused(ErrorCode.NOT_FOUND, "afterId"):
        await world.node(project, "two", after=foreign)


async def test_a_project_has_two_thousand_nodes_and_a_deleted_one_makes_room(world: World) -> None:
    project = await world.project()
    volume = await world.node(project, "I", VOLUME)
    one = await world.node(project, "one", parent=volume)
    world.uow.projects.nodes.update((NodeId(UUID(int=number)), one) for number in range(NODES_MAX - 3))
    last = await world.node(project, "the last")
    with refused(ErrorCode.LIMIT_REACHED):
        await world.node(project, "one too many")
    await delete_node(world.uow.projects, world.author, last.id, NOW)
    await world.node(project, "one in its place")


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"title": ""}, ErrorCode.EMPTY, "title"),
        ({"title": "x" * 201}, ErrorCode.TOO_LONG, "title"),
        ({"summary": "x" * 5_001}, ErrorCode.TOO_LONG, "summary"),
        ({"plan": "x" * 5_001}, ErrorCode.TOO_LONG, "plan"),
    ],
)
async def test_a_node_keeps_its_texts_within_their_limits(
    world: World, values: dict[str, Any], code: ErrorCode, field: str
) -> None:
    project = await world.project()
    node = await world.node(project)
    projects, author = world.uow.projects, world.author
    with refused(code, field):
        await create_node(projects, author, NodeDraft(project.id, CHAPTER, **{"title": "T", **values}))
    with refused(code, field):
        await update_node(projects, author, node.id, NOW, **values)
    assert reading_order(world, project) == ["One"]


async def test_what_is_updated_as_a_chapter_must_be_one(world: World) -> None:
    project = await world.project()
    scene, chapter = await world.node(project, kind=SCENE), await world.node(project)
    projects, author = world.uow.projects, world.author
    with refused(ErrorCode.NOT_FOUND, "id"):
        await update_node(projects, author, scene.id, NOW, kind=CHAPTER, plan="P")
    await update_node(projects, author, chapter.id, LATER, kind=CHAPTER, plan="P")
    assert (chapter.plan, chapter.title, chapter.updated_at) == ("P", "One", LATER)


# Moving.


async def move(
    world: World, node: OutlineNode, *, parent: OutlineNode | None = None, after: OutlineNode | None = None
) -> OutlineNode:
    return await move_node(
        world.uow.projects, world.author, node.id,
        parent_id=parent.id if parent else None, after_id=after.id if after else None,
    )  # fmt: skip


async def test_a_node_moves_first_or_after_a_sibling_and_no_other_row_changes(world: World) -> None:
    project = await world.project()
    one, two, three = [await world.node(project, title) for title in ("one", "two", "three")]
    await move(world, three)
    assert reading_order(world, project) == ["three", "one", "two"]
    await move(world, three, after=one)
    assert reading_order(world, project) == ["one", "three", "two"]
    assert (one.position, two.position) == ("1", "2")


async def test_a_move_rewrites_the_paths_of_the_whole_subtree_and_of_nothing_else(world: World) -> None:
    project = await world.project()
    first, second = await world.node(project, "I", VOLUME), await world.node(project, "II", VOLUME)
    arc = await world.node(project, "storm", ARC, first)
    chapter = await world.node(project, "one", CHAPTER, arc)
    scene = await world.node(project, "dawn", SCENE, chapter)
    beside = await world.node(project, "calm", ARC, first)
    await move(world, arc, parent=second)
    paths = [node.path for node in (first, second, arc, chapter, scene, beside)]
    assert paths == ["1", "2", "2/1", "2/1/1", "2/1/1/1", "1/2"]
    assert (arc.parent_id, chapter.parent_id, scene.parent_id) == (second.id, arc.id, chapter.id)
    await move(world, arc, after=second)
    assert [node.path for node in (arc, chapter, scene)] == ["3", "3/1", "3/1/1"]
    assert arc.parent_id is None


async def test_a_move_does_not_take_along_a_node_whose_path_only_begins_alike(world: World) -> None:
    project = await world.project()
    volumes = [await world.node(project, str(number), VOLUME) for number in range(62)]
    first, last = volumes[0], volumes[-1]
    assert (first.path, last.path) == ("1", "z1")
    volumes[-2].path = volumes[-2].position = "11"
    await move(world, first, after=last)
    assert volumes[-2].path == "11"


async def test_a_node_moves_into_nothing_that_lies_in_it(world: World) -> None:
    project = await world.project()
    volume = await world.node(project, "I", VOLUME)
    arc = await world.node(project, "storm", ARC, volume)
    chapter = await world.node(project, "one", CHAPTER, arc)
    for node, inside in ((volume, volume), (volume, arc), (volume, chapter), (arc, chapter), (chapter, chapter)):
        with refused(ErrorCode.BAD_USER_INPUT, "parentId"):
            await move(world, node, parent=inside)
    assert [node.path for node in (volume, arc, chapter)] == ["1", "1/1", "1/1/1"]


async def test_a_move_to_a_place_that_is_not_there_changes_nothing(world: World) -> None:
    project, other = await world.project(), await world.project("Another")
    volume, one = await world.node(project, "I", VOLUME), await world.node(project, "one")
    foreign = await world.node(other, "I", VOLUME)
    gone = await world.node(project, "II", VOLUME)
    await delete_node(world.uow.projects, world.author, gone.id, NOW)
    for parent in (foreign, gone):
        with refused(ErrorCode.NOT_FOUND, "parentId"):
            await move(world, one, parent=parent)
    for after in (foreign, gone, one):
        with refused(ErrorCode.NOT_FOUND, "afterId"):
            await move(world, one, after=after)
    with refused(ErrorCode.NOT_FOUND, "afterId"):
        await move(world, one, parent=volume, after=volume)
    assert (one.path, one.parent_id) == ("2", None)


MOVES = st.lists(st.tuples(st.integers(0, 7), st.integers(-1, 7), st.integers(-1, 7)), max_size=12)


@given(MOVES)
async def test_after_any_moves_every_path_is_its_parents_path_and_its_position(
    moves: list[tuple[int, int, int]],
) -> None:
    world = World(MemoryUnitOfWork())
    project = await world.project()
    nodes = [await world.node(project, str(number), list(OutlineKind)[number % 4]) for number in range(8)]
    by_id = {node.id: node for node in nodes}
    for moved, parent, after in moves:
        above = nodes[parent] if parent >= 0 else None
        if above is not None and OutlineKind(above.kind).rank >= OutlineKind(nodes[moved].kind).rank:
            continue
        beside = nodes[after] if after >= 0 else None
        if beside is not None and (beside is nodes[moved] or beside.parent_id != (above.id if above else None)):
            continue
        await move(world, nodes[moved], parent=above, after=beside)
    for node in nodes:
        above = by_id[node.parent_id] if node.parent_id else None
        assert node.path == (f"{above.path}/{node.position}" if above else node.position)
    assert len({node.path for node in nodes}) == len(nodes)


# Deleting, rights, locks.


async def test_a_deleted_node_takes_all_below_it_along(world: World) -> None:
    project = await world.project()
    volume = await world.node(project, "I", VOLUME)
    one = await world.node(project, "one", parent=volume)
    dawn = await world.node(project, "dawn", SCENE, one)
    await world.node(project, "epilogue")
    await delete_node(world.uow.projects, world.author, volume.id, NOW)
    assert reading_order(world, project) == ["epilogue"]
    assert [node.deleted_at for node in (volume, one, dawn)] == [NOW] * 3
    with refused(ErrorCode.NOT_FOUND, "id"):
        await delete_node(world.uow.projects, world.author, one.id, NOW)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
async def test_who_may_only_read_changes_nothing_in_the_outline(world: World, role: Role) -> None:
    project = await world.project()
    node = await world.node(project)
    projects, reader = world.uow.projects, world.actor(role)
    for attempt in (
        create_project(projects, reader, ProjectDraft("T")),
        update_project(projects, reader, project.id, ProjectDraft("T"), NOW),
        delete_project(projects, reader, project.id, NOW),
        restore_project(projects, reader, project.id),
        create_node(projects, reader, NodeDraft(project.id, CHAPTER, "Two")),
        update_node(projects, reader, node.id, NOW, title="Two"),
        move_node(projects, reader, node.id, parent_id=None, after_id=None),
        delete_node(projects, reader, node.id, NOW),
    ):
        with refused(ErrorCode.FORBIDDEN):
            await attempt
    assert (len(projects.projects), reading_order(world, project)) == (1, ["One"])
    assert (project.title, project.deleted_at) == ("The Salt Road", None)


async def test_who_changes_an_outlines_shape_locks_its_project_and_no_node(world: World) -> None:
    project = await world.project()
    volume, one = await world.node(project, "I", VOLUME), await world.node(project, "one")
    locked = world.uow.projects.locked
    for change in (
        create_node(world.uow.projects, world.author, NodeDraft(project.id, CHAPTER, "two", parent_id=volume.id)),
        move(world, one, parent=volume),
        delete_node(world.uow.projects, world.author, one.id, NOW),
    ):
        locked.clear()
        await change
        assert locked == [project.id]
