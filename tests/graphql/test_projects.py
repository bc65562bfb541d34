"""Projects, their outline and their codex, through HTTP."""

from __future__ import annotations

import random
from typing import Any

import pytest

from domain.accounts import Role
from tests.graphql.clients import Person, Site

PROJECT = "project { id title language genre premise styleGuide targetWords status deletedAt }"


@pytest.fixture
async def author(site: Site) -> Person:
    """A tenant of the test's own."""
    return await site.tenant()


async def project(author: Person, title: str = "Novel", **more: Any) -> str:
    return str((await author.mutate("projectCreate", "project { id }", title=title, **more))["project"]["id"])


async def node(author: Person, project_id: str, title: str, kind: str = "CHAPTER", **more: Any) -> str:
    fields = {"projectId": project_id, "title": title, "kind": kind, **more}
    made = await author.mutate("outlineNodeCreate", "outlineNode { id }", **fields)
    assert made["userErrors"] == []
    return str(made["outlineNode"]["id"])


async def outline(author: Person, project_id: str) -> list[str]:
    """Titles in reading order, a dash for each level."""
    query = "query ($id: ID!) { node(id: $id) { ... on Project { outline { title depth } } } }"
    return ["-" * one["depth"] + one["title"] for one in (await author(query, id=project_id))["outline"]]


async def titles(author: Person, arguments: str = "", **variables: Any) -> list[str]:
    declared = "query ($f: ProjectFilter, $o: ProjectOrder) "
    listed = await author(
        f"{declared}{{ projects(first: 100, filter: $f, orderBy: $o{arguments}) {{ edges {{ node {{ title }} }} }} }}",
        **variables,
    )
    return [edge["node"]["title"] for edge in listed["edges"]]


async def test_a_project_is_made_changed_and_read_back(author: Person) -> None:
    given = {"title": "The Salt Road", "language": "zh-Hans", "genre": "g", "premise": "p\nq", "styleGuide": "s",
             "targetWords": 90_000}  # fmt: skip
    made = (await author.mutate("projectCreate", PROJECT, **given))["project"]
    assert {name: made[name] for name in given} == given
    assert (made["status"], made["deletedAt"]) == ("ACTIVE", None)
    changed = (await author.mutate("projectUpdate", PROJECT, id=made["id"], title="Salt", status="ARCHIVED"))["project"]
    assert changed == made | {"title": "Salt", "status": "ARCHIVED"}
    assert await author(f"query ($id: ID!) {{ node(id: $id) {{ ... on Project {PROJECT[8:]} }} }}", id=made["id"]) == (
        changed
    )


async def test_a_title_is_trimmed_and_composed(author: Person) -> None:
    made = await author.mutate("projectCreate", "project { title }", title="  Cafe\u0301 \n")
    assert made["project"]["title"] == "Café"


async def test_a_deleted_project_is_out_of_sight_and_comes_back_whole(author: Person) -> None:
    id_ = await project(author, "Gone")
    chapter = (await author.mutate("chapterCreate", "chapter { id }", projectId=id_, title="One"))["chapter"]["id"]
    await author.mutate("chapterTextUpdate", chapterId=chapter, text="five words are in it")
    deleted = (await author.mutate("projectDelete", PROJECT, id=id_))["project"]
    again = (await author.mutate("projectDelete", PROJECT, id=id_))["project"]
    assert deleted["deletedAt"] is not None
    assert again["deletedAt"] == deleted["deletedAt"]
    assert await titles(author) == []
    assert await titles(author, f={"deleted": True}) == ["Gone"]
    found = "query ($id: ID!) { node(id: $id) { id } }"
    assert await author(found, id=chapter) is None
    assert await author.refusal("chapterUpdate", id=chapter, title="x") == ("NOT_FOUND", ["input", "id"])
    assert await author.refusal("projectUpdate", id=id_, title="x") == ("NOT_FOUND", ["input", "id"])
    assert await author.refusal("chapterCreate", projectId=id_, title="x") == ("NOT_FOUND", ["input", "projectId"])
    assert await author.refusal("codexEntryCreate", projectId=id_, kind="ITEM", name="x") == (
        "NOT_FOUND",
        ["input", "projectId"],
    )
    restored = (await author.mutate("projectRestore", "project { deletedAt wordCount }", id=id_))["project"]
    assert restored == {"deletedAt": None, "wordCount": 5}
    assert await author(found, id=chapter) == {"id": chapter}


async def test_projects_are_filtered_and_ordered(author: Person) -> None:
    for title, language in (("b Night", "en"), ("a night", "zh"), ("c Day_%", "en")):
        await project(author, title, language=language)
    assert await titles(author) == ["c Day_%", "a night", "b Night"]
    assert await titles(author, o={"field": "TITLE", "direction": "ASC"}) == ["a night", "b Night", "c Day_%"]
    assert await titles(author, o={"field": "CREATED_AT", "direction": "ASC"}) == ["b Night", "a night", "c Day_%"]
    assert await titles(author, f={"titleContains": "NIGHT"}) == ["a night", "b Night"]
    assert await titles(author, f={"titleContains": "_%"}) == ["c Day_%"]
    assert await titles(author, f={"titleContains": "%"}) == ["c Day_%"]
    assert await titles(author, f={"language": "zh"}) == ["a night"]
    assert await titles(author, f={"status": "ARCHIVED"}) == []


async def test_a_change_brings_a_project_to_the_front(author: Person) -> None:
    first, _ = await project(author, "first"), await project(author, "second")
    await author.mutate("projectUpdate", id=first, genre="x")
    assert await titles(author) == ["first", "second"]


async def test_pages_of_projects_follow_each_other(author: Person) -> None:
    for number in range(7):
        await project(author, f"{number}")
    seen: list[str] = []
    after = None
    query = """query ($after: String) {
      projects(first: 3, after: $after, orderBy: {field: TITLE, direction: ASC}) {
        edges { cursor node { title } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }"""
    for more in (True, True, False):
        page = await author(query, after=after)
        info = page["pageInfo"]
        assert (info["hasNextPage"], info["hasPreviousPage"]) == (more, after is not None)
        assert (info["startCursor"], info["endCursor"]) == (page["edges"][0]["cursor"], page["edges"][-1]["cursor"])
        seen += [edge["node"]["title"] for edge in page["edges"]]
        after = info["endCursor"]
    assert seen == [f"{number}" for number in range(7)]


async def test_the_outline_is_in_reading_order_whatever_the_order_of_making(author: Person) -> None:
    id_ = await project(author)
    volume = await node(author, id_, "V2", "VOLUME")
    last = await node(author, id_, "V2C2", parentId=volume)
    first = (await author.mutate("outlineNodeMove", id=await node(author, id_, "V1", "VOLUME")))["userErrors"]
    assert first == []
    await node(author, id_, "V2C3", parentId=volume)
    await node(author, id_, "V2C2S", "SCENE", parentId=last)
    await author.mutate("outlineNodeMove", id=await node(author, id_, "V2C1", parentId=volume), parentId=volume)
    assert await outline(author, id_) == ["V1", "V2", "-V2C1", "-V2C2", "--V2C2S", "-V2C3"]
    chapters = await author(
        "query ($id: ID!) { node(id: $id) { ... on Project { chapters { edges { node { title } } } } } }", id=id_
    )
    assert [edge["node"]["title"] for edge in chapters["chapters"]["edges"]] == ["V2C1", "V2C2", "V2C3"]


async def test_a_node_moves_with_all_that_is_in_it(author: Person) -> None:
    id_ = await project(author)
    one, two = [await node(author, id_, title, "VOLUME") for title in ("1", "2")]
    arc = await node(author, id_, "arc", "ARC", parentId=one)
    chapter = await node(author, id_, "chapter", parentId=arc)
    await node(author, id_, "scene", "SCENE", parentId=chapter)
    moved = await author.mutate("outlineNodeMove", "outlineNode { depth parentId }", id=arc, parentId=two)
    assert moved["outlineNode"] == {"depth": 1, "parentId": two}
    assert await outline(author, id_) == ["1", "2", "-arc", "--chapter", "---scene"]
    await author.mutate("outlineNodeMove", id=two)
    assert await outline(author, id_) == ["2", "-arc", "--chapter", "---scene", "1"]


async def test_after_many_moves_the_order_is_what_was_asked_for(author: Person) -> None:
    id_ = await project(author)
    nodes = [await node(author, id_, f"{number}") for number in range(4)]
    expected = [0, 1, 2, 3]
    dice = random.Random(7)
    for _ in range(30):
        moving, after = dice.sample(range(4), 2)
        payload = await author.mutate("outlineNodeMove", id=nodes[moving], afterId=nodes[after])
        assert payload["userErrors"] == []
        expected.remove(moving)
        expected.insert(expected.index(after) + 1, moving)
    assert await outline(author, id_) == [f"{number}" for number in expected]


async def test_impossible_places_are_refused(author: Person) -> None:
    id_, other = await project(author), await project(author)
    volume = await node(author, id_, "V", "VOLUME")
    chapter = await node(author, id_, "C", parentId=volume)
    scene = await node(author, id_, "S", "SCENE", parentId=chapter)
    foreign = await node(author, other, "F", "VOLUME")
    moves = [
        ({"id": volume, "parentId": volume}, "BAD_USER_INPUT", "parentId"),
        ({"id": volume, "parentId": chapter}, "BAD_USER_INPUT", "parentId"),
        ({"id": chapter, "parentId": scene}, "BAD_USER_INPUT", "parentId"),
        ({"id": chapter, "parentId": foreign}, "NOT_FOUND", "parentId"),
        ({"id": chapter, "parentId": volume, "afterId": foreign}, "NOT_FOUND", "afterId"),
        ({"id": chapter, "parentId": volume, "afterId": chapter}, "NOT_FOUND", "afterId"),
        ({"id": chapter, "parentId": volume, "afterId": scene}, "NOT_FOUND", "afterId"),
    ]
    before = await outline(author, id_)
    for input_, code, field in moves:
        assert await author.refusal("outlineNodeMove", **input_) == (code, ["input", field]), input_
    assert await outline(author, id_) == before
    created = {"projectId": id_, "kind": "VOLUME", "title": "x"}
    assert await author.refusal("outlineNodeCreate", **created, parentId=chapter) == (
        "BAD_USER_INPUT",
        ["input", "parentId"],
    )


async def test_a_deleted_node_takes_along_what_is_in_it(author: Person) -> None:
    id_ = await project(author)
    volume = await node(author, id_, "V", "VOLUME")
    chapter = await node(author, id_, "C", parentId=volume)
    await node(author, id_, "stays")
    assert (await author.mutate("outlineNodeDelete", "deletedId", id=volume))["deletedId"] == volume
    assert await outline(author, id_) == ["stays"]
    assert await author.refusal("outlineNodeUpdate", id=chapter, title="x") == ("NOT_FOUND", ["input", "id"])
    assert await author.refusal("outlineNodeDelete", id=volume) == ("NOT_FOUND", ["input", "id"])


async def test_a_codex_entry_is_made_changed_and_listed(author: Person) -> None:
    id_ = await project(author)
    fields = "codexEntry { id kind name summary aliases attributes { key value } inclusion }"
    given = {"kind": "PLACE", "name": "长安", "summary": "s", "aliases": ["西安", "镐京"], "inclusion": "ALWAYS",
             "attributes": [{"key": "b", "value": "1"}, {"key": "a", "value": "2"}]}  # fmt: skip
    made = (await author.mutate("codexEntryCreate", fields, projectId=id_, **given))["codexEntry"]
    assert made == {"id": made["id"], **given}
    changed = (await author.mutate("codexEntryUpdate", fields, id=made["id"], aliases=[], name="Chang'an"))[
        "codexEntry"
    ]
    assert changed == made | {"aliases": [], "name": "Chang'an"}
    for name, kind in (("Mei", "CHARACTER"), ("Anchor", "ITEM")):
        await author.mutate("codexEntryCreate", projectId=id_, kind=kind, name=name)
    query = """query ($id: ID!, $f: CodexEntryFilter) {
      node(id: $id) { ... on Project { codexEntries(filter: $f) { edges { node { name } } } } }
    }"""

    async def names(**filter_: str) -> list[str]:
        found = (await author(query, id=id_, f=filter_ or None))["codexEntries"]["edges"]
        return [edge["node"]["name"] for edge in found]

    assert await names() == ["Anchor", "Chang'an", "Mei"]
    assert await names(kind="CHARACTER") == ["Mei"]
    assert await names(nameContains="AN") == ["Anchor", "Chang'an"]


async def test_a_relation_joins_two_entries_of_one_project_once(author: Person) -> None:
    id_, other = await project(author), await project(author)

    async def entry(project_id: str, name: str) -> str:
        made = await author.mutate(
            "codexEntryCreate", "codexEntry { id }", projectId=project_id, kind="ITEM", name=name
        )
        return str(made["codexEntry"]["id"])

    mei, lan, far = await entry(id_, "Mei"), await entry(id_, "Lan"), await entry(other, "Far")
    made = await author.mutate(
        "codexRelationCreate", "codexRelation { id kind note from { name } to { name } }", fromId=mei, toId=lan,
        kind="sister of", note="n",
    )  # fmt: skip
    relation = made["codexRelation"]
    assert relation == {"id": relation["id"], "kind": "sister of", "note": "n", "from": {"name": "Mei"},
                        "to": {"name": "Lan"}}  # fmt: skip
    refused = [
        ({"fromId": mei, "toId": lan, "kind": "sister of"}, "ALREADY_EXISTS", "kind"),
        ({"fromId": mei, "toId": mei, "kind": "x"}, "BAD_USER_INPUT", "toId"),
        ({"fromId": mei, "toId": far, "kind": "x"}, "BAD_USER_INPUT", "toId"),
        ({"fromId": mei, "toId": lan, "kind": " "}, "EMPTY", "kind"),
    ]
    for input_, code, field in refused:
        assert await author.refusal("codexRelationCreate", **input_) == (code, ["input", field])
    await author.mutate("codexEntryDelete", id=lan)
    query = "query ($id: ID!) { node(id: $id) { ... on CodexEntry { relations { edges { node { id } } } } } }"
    assert await author(query, id=mei) == {"relations": {"edges": []}}
    assert await author.refusal("codexRelationDelete", id=relation["id"]) == ("NOT_FOUND", ["input", "id"])


@pytest.mark.parametrize("script", ["Latin", "中文"])
async def test_nodes_are_found_by_their_ids_in_the_order_asked(author: Person, script: str) -> None:
    ids = [await project(author, f"{script} {number}") for number in range(3)]
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Project { title } } }"
    found = await author(query, ids=[ids[2], ids[0], ids[2]])
    assert [one["title"] for one in found] == [f"{script} 2", f"{script} 0", f"{script} 2"]
    assert await author.code(query, ids=[ids[0]] * 101) == "BAD_USER_INPUT"


async def test_channels_and_fellow_members_can_be_fetched_again_by_their_ids(site: Site, author: Person) -> None:
    query = "query ($id: ID!) { node(id: $id) { id ... on Channel { name } ... on User { email } } }"
    channel = (await author("{ channels { edges { node { id name } } } }"))["edges"][0]["node"]
    assert await author(query, id=channel["id"]) == channel
    me = (await author("{ me { user { id email } } }"))["user"]
    fellow, stranger = await site.member(author, Role.VIEWER), await site.tenant()
    assert await author(query, id=me["id"]) == me
    assert await fellow(query, id=me["id"]) == me
    assert await stranger(query, id=me["id"]) is None
