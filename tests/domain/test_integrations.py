"""Integrations: applications that only narrow what their maker may, and hashes that are never believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import Actor, Permission, Role, create_api_token
from domain.errors import ErrorCode
from domain.ids import ClientAppId, DocumentId, new_id
from domain.integrations import (
    CLIENT_APPS_MAX,
    DOCUMENT_CHARS_MAX,
    DOCUMENTS_MAX,
    ORIGINS_MAX,
    REGISTRATIONS_MAX,
    ClientApp,
    ClientAppDraft,
    ClientTerms,
    DocumentMode,
    Measured,
    Submitted,
    Unfit,
    check_registration,
    clean_origins,
    create_client_app,
    delete_client_app,
    document_hash,
    get_client_app,
    measured_all,
    read_hash,
    register_documents,
    retire_document,
    update_client_app,
)
from tests.domain.memory import NOW, MemoryUnitOfWork
from tests.domain.world import World, refused

TEXT = "query Shelf { projects { edges { cursor } } }"


def measure(text: str) -> Measured:
    """Of every text, a document that costs its length; of one that says so, none."""
    if "broken" in text:
        raise Unfit("It is broken.")
    return Measured(document_hash(text), text, "Name", len(text), ("read",), ("Query.projects",), "schema-1")


def submitted(text: str = TEXT, prefix: str = "sha256:") -> Submitted:
    return Submitted(prefix + document_hash(text), text)


async def app(world: World, **draft: object) -> ClientApp:
    return await create_client_app(
        world.uow.integrations, world.author, ClientAppDraft(**{"name": "Reader", **draft})  # type: ignore[arg-type]
    )  # fmt: skip


def through(actor: Actor, of: ClientApp) -> Actor:
    """The same rights, through a token of an application."""
    return replace(actor, client=ClientTerms(of.id, DocumentMode.LOG))


# Hashes.


def test_a_hash_is_written_with_its_prefix_or_bare_and_in_any_case() -> None:
    digits = document_hash("x")
    assert digits == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    for written in (digits, digits.upper(), f"sha256:{digits}", f"SHA256:{digits.upper()}"):
        assert read_hash(written) == digits


@pytest.mark.parametrize("written", ["", "sha256:", "x" * 64, "a" * 63, "a" * 65, "md5:" + "a" * 64, "a" * 64 + "\n"])
def test_what_is_no_sha256_is_no_hash(written: str) -> None:
    assert read_hash(written) is None


@given(st.text(), st.one_of(st.text(), st.from_regex(r"\A(sha256:)?[0-9a-f]{64}\Z")))
def test_a_hash_that_does_not_match_its_text_is_always_refused(text: str, hash_: str) -> None:
    good, bad = measured_all([Submitted(hash_, text)], measure)
    if read_hash(hash_) == document_hash(text):
        assert len(good) + len(bad) == 1
    else:
        assert good == []
        assert [one.hash for one in bad] == [hash_]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(0, 63))
def test_one_wrong_digit_is_enough(text: str, place: int) -> None:
    digits = document_hash(text)
    wrong = digits[:place] + ("0" if digits[place] != "0" else "1") + digits[place + 1 :]
    assert measured_all([Submitted("sha256:" + wrong, text)], measure)[0] == []


def test_a_batch_keeps_the_good_and_names_the_bad() -> None:
    other = Submitted("sha256:" + "0" * 64, TEXT)
    good, bad = measured_all([submitted(), submitted(prefix=""), submitted("{ broken }"), other], measure)
    assert [one.text for one in good] == [TEXT]
    assert [(one.hash, one.reason) for one in bad] == [
        (submitted("{ broken }").hash, "It is broken."),
        (other.hash, "The hash is not the SHA-256 of the text."),
    ]


def test_a_document_has_fifty_thousand_characters_at_most() -> None:
    at, over = "x" * DOCUMENT_CHARS_MAX, "x" * (DOCUMENT_CHARS_MAX + 1)
    good, bad = measured_all([submitted(at), submitted(over)], measure)
    assert [one.text for one in good] == [at]
    assert [one.reason for one in bad] == ["A document has at most 50,000 characters."]


# Applications.


async def test_an_application_requires_documents_unless_it_says_otherwise(world: World) -> None:
    made = await app(world)
    assert (made.name, made.mode, made.allowed_origins, made.cost_budget) == ("Reader", "REQUIRE", [], None)
    assert made.scopes == ["generate", "read", "write"]
    assert (await app(world, mode=DocumentMode.LOG)).mode == "LOG"


async def test_an_application_never_gets_a_scope_that_its_maker_lacks(world: World) -> None:
    for scopes in ([], ["platform"], ["READ"], ["read", "everything"]):
        with refused(ErrorCode.BAD_USER_INPUT, "scopes"):
            await app(world, scopes=scopes)
    assert (await app(world, scopes=["write", "read", "read"])).scopes == ["read", "write"]
    narrow = replace(world.author, permissions=frozenset({Permission.ADMIN, Permission.READ}))
    made = await create_client_app(world.uow.integrations, narrow, ClientAppDraft("x"))
    assert made.scopes == ["read"]


@pytest.mark.parametrize("role", [Role.EDITOR, Role.AUTHOR, Role.VIEWER, Role.BILLING])
async def test_only_those_who_run_the_tenant_manage_applications(world: World, role: Role) -> None:
    made, member, store = await app(world), world.actor(role), world.uow.integrations
    with refused(ErrorCode.FORBIDDEN):
        await create_client_app(store, member, ClientAppDraft("x"))
    with refused(ErrorCode.FORBIDDEN):
        await update_client_app(store, member, made.id, ClientAppDraft("x"), NOW)
    with refused(ErrorCode.FORBIDDEN):
        await delete_client_app(store, member, made.id, NOW)
    with refused(ErrorCode.FORBIDDEN):
        check_registration(member, [submitted()])
    with refused(ErrorCode.FORBIDDEN):
        await register_documents(store, member, made.id, [])
    with refused(ErrorCode.FORBIDDEN):
        await retire_document(store, member, DocumentId(new_id()), NOW)


async def test_an_applications_token_cannot_loosen_its_own_terms(world: World) -> None:
    made, store = await app(world), world.uow.integrations
    client = through(world.author, made)
    with refused(ErrorCode.FORBIDDEN):
        await update_client_app(store, client, made.id, ClientAppDraft(mode=DocumentMode.LOG), NOW)
    with refused(ErrorCode.FORBIDDEN):
        check_registration(client, [submitted()])
    with refused(ErrorCode.FORBIDDEN):
        await create_api_token(
            world.uow.accounts, client, name="x", scopes=["read"], expires_at=None, prefix="p", secret_hash=b"", now=NOW
        )


async def test_what_an_update_leaves_out_stays(world: World) -> None:
    made = await app(world, cost_budget=50, allowed_origins=["https://app.example"])
    later = NOW + timedelta(days=1)
    await update_client_app(world.uow.integrations, world.author, made.id, ClientAppDraft(name="Other"), later)
    assert (made.name, made.cost_budget, made.allowed_origins, made.updated_at) == (
        "Other", 50, ["https://app.example"], later)  # fmt: skip
    await update_client_app(world.uow.integrations, world.author, made.id, ClientAppDraft(cost_budget=0), later)
    assert made.cost_budget is None


async def test_a_cost_budget_is_a_number_of_graphql(world: World) -> None:
    assert (await app(world, cost_budget=2**31 - 1)).cost_budget == 2**31 - 1
    for budget in (-1, 2**31):
        with refused(ErrorCode.BAD_USER_INPUT, "costBudget"):
            await app(world, cost_budget=budget)


async def test_deleting_an_application_revokes_its_tokens_and_no_others(world: World) -> None:
    made, uow = await app(world), world.uow
    tokens = [
        await create_api_token(
            uow.accounts, world.author, name="x", scopes=["read"], expires_at=None, prefix="p", secret_hash=b"",
            now=NOW, client_app_id=of,
        )
        for of in (made.id, None)
    ]  # fmt: skip
    await delete_client_app(uow.integrations, world.author, made.id, NOW)
    assert [one.revoked_at for one in tokens] == [NOW, None]
    with refused(ErrorCode.NOT_FOUND, "id"):
        await get_client_app(uow.integrations, made.id)


async def test_a_tenant_has_a_hundred_applications_and_a_deleted_one_makes_room(world: World) -> None:
    made = [await app(world) for _ in range(CLIENT_APPS_MAX)]
    with refused(ErrorCode.LIMIT_REACHED):
        await app(world)
    await delete_client_app(world.uow.integrations, world.author, made[0].id, NOW)
    await app(world)


def test_an_origin_is_what_a_browser_sends() -> None:
    origins = ["https://App.example", "http://localhost:3000", "http://[::1]:8080", "https://app.example"]
    assert clean_origins(origins) == ["http://[::1]:8080", "http://localhost:3000", "https://app.example"]


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "app.example", "https://", "https://app.example/", "https://a b", "ftp://app.example",
     "https://me@app.example", "https://app.example:99999", "https://app.example?x", "https://*.example/x"],
)  # fmt: skip
def test_what_no_browser_sends_is_no_origin(origin: str) -> None:
    with refused(ErrorCode.BAD_USER_INPUT, "allowedOrigins"):
        clean_origins([origin])


def test_an_application_has_twenty_origins_at_most() -> None:
    origins = [f"https://app{number}.example" for number in range(ORIGINS_MAX + 1)]
    assert len(clean_origins(origins[:-1])) == ORIGINS_MAX
    with refused(ErrorCode.LIMIT_REACHED, "allowedOrigins"):
        clean_origins(origins)


# The registry.


async def register(world: World, of: ClientApp, *texts: str) -> None:
    good, _ = measured_all([submitted(text) for text in texts], measure)
    await register_documents(world.uow.integrations, world.author, of.id, good)


async def test_a_document_registered_twice_is_there_once(world: World) -> None:
    made = await app(world)
    await register(world, made, TEXT)
    await register(world, made, TEXT)
    assert len(world.uow.integrations.documents) == 1


async def test_each_application_has_a_registry_of_its_own(world: World) -> None:
    one, other = await app(world), await app(world)
    await register(world, one, TEXT)
    assert await world.uow.integrations.live_hashes(other.id) == set()


@pytest.mark.parametrize("count", [0, REGISTRATIONS_MAX + 1])
def test_a_hundred_documents_are_registered_at_a_time(world: World, count: int) -> None:
    check_registration(world.author, [submitted()] * REGISTRATIONS_MAX)
    with refused(ErrorCode.LIMIT_REACHED, "documents"):
        check_registration(world.author, [submitted()] * count)


async def test_a_registry_holds_two_thousand_live_documents(world: World) -> None:
    made, store = await app(world), world.uow.integrations
    texts = [f"{{ f{number} }}" for number in range(DOCUMENTS_MAX)]
    await register(world, made, *texts)
    await register(world, made, texts[0])
    with refused(ErrorCode.LIMIT_REACHED, "documents"):
        await register(world, made, "{ one more }")
    assert len(store.documents) == DOCUMENTS_MAX
    await retire_document(store, world.author, store.documents[made.id, document_hash(texts[0])].id, NOW)
    await register(world, made, "{ one more }")


async def test_a_retired_document_comes_back_when_it_is_registered_again(world: World) -> None:
    made, store = await app(world), world.uow.integrations
    await register(world, made, TEXT)
    (document,) = store.documents.values()
    await retire_document(store, world.author, document.id, NOW)
    await retire_document(store, world.author, document.id, NOW + timedelta(days=1))
    assert document.retired_at == NOW
    await register(world, made, TEXT)
    assert document.retired_at is None


async def test_what_is_not_there_is_not_found(world: World, uow: MemoryUnitOfWork) -> None:
    nobody = ClientAppId(new_id())
    with refused(ErrorCode.NOT_FOUND, "clientAppId"):
        await register_documents(uow.integrations, world.author, nobody, [])
    with refused(ErrorCode.NOT_FOUND, "id"):
        await update_client_app(uow.integrations, world.author, nobody, ClientAppDraft(), NOW)
    with refused(ErrorCode.NOT_FOUND, "id"):
        await retire_document(uow.integrations, world.author, DocumentId(new_id()), NOW)
