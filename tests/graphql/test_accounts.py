"""Registering, signing in, sessions and API tokens, through HTTP."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.accounts import Role
from persistence.database import Database
from tests.documents import LOGIN, LOGOUT, ME, REFRESH, REGISTER
from tests.graphql.clients import Person, Site

PASSWORD = "correct horse"


async def ask(site: Site, query: str, bearer: str = "", /, **variables: Any) -> Any:
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    answer = (await site.post(query, variables, **headers)).json()
    assert "errors" not in answer, answer["errors"]
    return next(iter(answer["data"].values()))


async def register(site: Site, email: str = "", password: str = PASSWORD, name: str = "Nora") -> Any:
    return await ask(site, REGISTER, email=email or f"{secrets.token_hex(4)}@example.org", password=password, name=name)


@pytest.fixture(scope="module")
async def nora(site: Site) -> Any:
    """A user who has registered: {viewer, tokens}."""
    return await register(site)


async def sign_in(site: Site, nora: Any) -> Any:
    return (await ask(site, LOGIN, email=nora["viewer"]["user"]["email"], password=PASSWORD))["tokens"]


async def test_a_new_user_owns_a_tenant_of_their_own_and_is_signed_in(site: Site, nora: Any) -> None:
    assert nora["userErrors"] == []
    me = await ask(site, ME, nora["tokens"]["accessToken"])
    assert me["user"]["email"] == nora["viewer"]["user"]["email"]
    assert (me["role"], me["tenant"]["id"]) == ("OWNER", nora["viewer"]["tenant"]["id"])
    assert me["scopes"] == ["admin", "billing", "developer", "generate", "read", "write"]
    assert me["memberships"] == [{"role": "OWNER", "tenant": {"id": nora["viewer"]["tenant"]["id"]}}]


@pytest.mark.parametrize(
    ("email", "password", "name", "code", "field"),
    [
        ("nobody", PASSWORD, "n", "BAD_USER_INPUT", "email"),
        ("a@" + "x" * 400, PASSWORD, "n", "TOO_LONG", "email"),
        ("a@example.org", "9 letters", "n", "BAD_USER_INPUT", "password"),
        ("a@example.org", "x" * 1_001, "n", "TOO_LONG", "password"),
        ("a@example.org", PASSWORD, "  ", "EMPTY", "displayName"),
        ("a@example.org", PASSWORD, "a\x00b", "INVALID_CHARACTERS", "displayName"),
    ],
)
async def test_a_bad_registration_names_its_field_and_makes_no_user(
    site: Site, admin: Database, email: str, password: str, name: str, code: str, field: str
) -> None:
    count = text("select count(*) as n from app.users")
    [before] = await admin.platform_rows(count)
    answer = await register(site, email, password, name)
    assert [(e["code"], e["field"]) for e in answer["userErrors"]] == [(code, ["input", field])]
    assert (answer["viewer"], answer["tokens"]) == (None, None)
    assert await admin.platform_rows(count) == [before]


@pytest.mark.parametrize("length", [10, 1_000])
async def test_a_password_at_the_edge_of_its_limits_is_taken(site: Site, length: int) -> None:
    assert (await register(site, password="x" * length))["userErrors"] == []


async def test_an_address_has_one_account_whatever_its_case(site: Site, nora: Any) -> None:
    answer = await register(site, nora["viewer"]["user"]["email"].upper())
    assert [(e["code"], e["field"]) for e in answer["userErrors"]] == [("ALREADY_EXISTS", ["input", "email"])]


async def test_a_wrong_password_and_an_unknown_address_read_alike(site: Site, nora: Any) -> None:
    wrong = await ask(site, LOGIN, email=nora["viewer"]["user"]["email"], password="wrong horse!")
    unknown = await ask(site, LOGIN, email="ghost@example.org", password="wrong horse!")
    assert wrong == unknown
    assert (wrong["tokens"], wrong["userErrors"][0]["code"]) == (None, "INVALID_CREDENTIALS")


async def test_a_refresh_gives_new_tokens_that_work(site: Site, nora: Any) -> None:
    first = await sign_in(site, nora)
    second = (await ask(site, REFRESH, token=first["refreshToken"]))["tokens"]
    third = (await ask(site, REFRESH, token=second["refreshToken"]))["tokens"]
    assert len({first["refreshToken"], second["refreshToken"], third["refreshToken"]}) == 3
    assert (await ask(site, ME, third["accessToken"]))["role"] == "OWNER"


async def test_two_tabs_that_refresh_at_once_go_on_with_the_same_token(site: Site, nora: Any) -> None:
    first = await sign_in(site, nora)
    answers = await asyncio.gather(*(ask(site, REFRESH, token=first["refreshToken"]) for _ in range(5)))
    assert len({answer["tokens"]["refreshToken"] for answer in answers}) == 1
    assert len({answer["tokens"]["refreshToken"] for answer in answers} | {first["refreshToken"]}) == 2
    assert (await ask(site, ME, answers[0]["tokens"]["accessToken"]))["role"] == "OWNER"


async def test_a_refresh_token_used_again_later_ends_its_family_and_no_other(
    site: Site, nora: Any, admin: Database
) -> None:
    other = await sign_in(site, nora)
    first = await sign_in(site, nora)
    second = (await ask(site, REFRESH, token=first["refreshToken"]))["tokens"]
    async with admin.engine.begin() as connection:
        aged = "update app.sessions set rotated_at = rotated_at - interval '11 s' where rotated_at is not null"
        await connection.execute(text(aged))
    assert (await ask(site, ME, second["accessToken"]))["role"] == "OWNER"

    reused = await ask(site, REFRESH, token=first["refreshToken"])
    assert (reused["tokens"], [e["code"] for e in reused["userErrors"]]) == (None, ["TOKEN_REUSED"])
    after = await ask(site, REFRESH, token=second["refreshToken"])
    assert (after["tokens"], [e["code"] for e in after["userErrors"]]) == (None, ["INVALID_CREDENTIALS"])
    answer = await site.post(ME, authorization=f"Bearer {second['accessToken']}")
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")
    assert (await ask(site, ME, other["accessToken"]))["role"] == "OWNER"


async def test_an_expired_session_cannot_be_refreshed(site: Site, nora: Any, admin: Database) -> None:
    tokens = await sign_in(site, nora)
    async with admin.engine.begin() as connection:
        newest = "select id from app.sessions order by id desc limit 1"
        await connection.execute(text(f"update app.sessions set expires_at = now() where id = ({newest})"))
    answer = await ask(site, REFRESH, token=tokens["refreshToken"])
    assert (answer["tokens"], [(e["code"], e["field"]) for e in answer["userErrors"]]) == (
        None,
        [("TOKEN_EXPIRED", ["input", "refreshToken"])],
    )


@pytest.mark.parametrize("token", ["", "fabr_", "fabr_!", "fabr_" + "A" * 86, "fabr_ü", "fab_1234_AAAA"])
async def test_what_is_no_refresh_token_is_refused_in_words(site: Site, token: str) -> None:
    for query in (REFRESH, LOGOUT):
        answer = await ask(site, query, token=token)
        if query is LOGOUT and token == "fabr_" + "A" * 86:
            assert answer == {"ok": True, "userErrors": []}  # it may have been one: the session is not there
        else:
            assert [e["code"] for e in answer["userErrors"]] == ["INVALID_CREDENTIALS"]


async def test_signing_out_ends_the_session_at_once(site: Site, nora: Any) -> None:
    tokens = await sign_in(site, nora)
    assert (await ask(site, ME, tokens["accessToken"]))["role"] == "OWNER"
    assert await ask(site, LOGOUT, token=tokens["refreshToken"]) == {"ok": True, "userErrors": []}
    assert (await site.post(ME, authorization=f"Bearer {tokens['accessToken']}")).status_code == 401
    again = await ask(site, REFRESH, token=tokens["refreshToken"])
    assert [e["code"] for e in again["userErrors"]] == ["INVALID_CREDENTIALS"]


async def test_an_access_token_that_has_expired_or_was_altered_is_refused(alice: Person) -> None:
    expired = await alice.site.post(ME, authorization=f"Bearer {alice.short_lived(-1)}")
    assert (expired.status_code, expired.json()["errors"][0]["extensions"]["code"]) == (401, "TOKEN_EXPIRED")
    head, claims, signature = alice.access_token.split(".")
    for token in (f"{head}.{claims}.{signature[:-2]}AA", f"{head}.{claims}.", "e30.e30.e30", "nonsense"):
        answer = await alice.site.post(ME, authorization=f"Bearer {token}")
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")


async def make_token(alice: Person, *scopes: str, **more: Any) -> Any:
    fields = "token apiToken { id prefix scopes revokedAt expiresAt lastUsedAt }"
    return await alice.mutate("apiTokenCreate", fields, name="script", scopes=list(scopes), **more)


async def test_an_api_token_can_do_what_its_scopes_allow_and_no_more(alice: Person) -> None:
    made = await make_token(alice, "read")
    script = alice.with_token(made["token"])
    assert (await script(ME))["scopes"] == ["read"]
    assert await script.code('mutation { projectCreate(input: {title: "x"}) { project { id } } }') == "FORBIDDEN"
    writer = alice.with_token((await make_token(alice, "read", "write"))["token"])
    assert (await writer.mutate("projectCreate", title="x"))["userErrors"] == []


async def test_an_api_token_has_no_more_rights_than_its_owner_has_now(site: Site, alice: Person) -> None:
    admin = await site.member(alice, Role.ADMIN)
    made = await make_token(admin, "read", "write")
    script = admin.with_token(made["token"])
    assert (await script(ME))["scopes"] == ["read", "write"]
    async with site.api.database.read(alice.tenant_id) as connection:
        demote = text("update app.memberships set role = 'VIEWER' where user_id = :u")
        await connection.execute(demote, {"u": admin.user_id})
        await connection.commit()
    site.api.authenticator.forget()
    assert (await script(ME))["scopes"] == ["read"]


async def test_a_revoked_api_token_stops_at_once(alice: Person) -> None:
    made = await make_token(alice, "read")
    script = alice.with_token(made["token"])
    assert (await script(ME))["role"] == "OWNER"
    first = await alice.mutate("apiTokenRevoke", "apiToken { revokedAt }", id=made["apiToken"]["id"])
    assert first["apiToken"]["revokedAt"] is not None
    assert (await alice.site.post(ME, authorization=script.authorization)).status_code == 401
    assert await alice.mutate("apiTokenRevoke", "apiToken { revokedAt }", id=made["apiToken"]["id"]) == first


async def test_a_look_up_that_began_before_a_revocation_speaks_for_nobody_after_it(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make_token(alice, "read")
    script, authenticator = alice.with_token(made["token"]), alice.site.api.authenticator
    looked_up, go_on = asyncio.Event(), asyncio.Event()
    by_token = authenticator._by_api_token

    async def slowly(token: str) -> Any:
        actor = await by_token(token)
        looked_up.set()
        await go_on.wait()
        return actor

    monkeypatch.setattr(authenticator, "_by_api_token", slowly)
    before = asyncio.create_task(authenticator.authenticate(script.authorization))
    await looked_up.wait()
    await alice.mutate("apiTokenRevoke", "apiToken { id }", id=made["apiToken"]["id"])
    monkeypatch.setattr(authenticator, "_by_api_token", by_token)
    after = await asyncio.wait_for(alice.site.post(ME, authorization=script.authorization), 5)
    assert after.status_code == 401
    go_on.set()
    await before


async def test_an_expired_api_token_is_refused(alice: Person, admin: Database) -> None:
    made = await make_token(alice, "read", expiresAt=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    script = alice.with_token(made["token"])
    assert (await script(ME))["role"] == "OWNER"
    async with admin.engine.begin() as connection:
        expire = text("update app.api_tokens set expires_at = now() where prefix = :p")
        await connection.execute(expire, {"p": made["apiToken"]["prefix"]})
    alice.site.api.authenticator.forget()  # it would be believed for half a second
    answer = await alice.site.post(ME, authorization=script.authorization)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "TOKEN_EXPIRED")


async def test_the_use_of_an_api_token_is_noted(alice: Person) -> None:
    made = await make_token(alice, "read")
    assert made["apiToken"]["lastUsedAt"] is None
    await alice.with_token(made["token"])(ME)
    listed = await alice("{ apiTokens(first: 1) { edges { node { id lastUsedAt } } } }")
    assert listed["edges"][0]["node"]["id"] == made["apiToken"]["id"]
    assert listed["edges"][0]["node"]["lastUsedAt"] is not None


@pytest.mark.parametrize(
    ("input_", "field"),
    [
        ({"scopes": ["read"], "expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"scopes": ["platform"]}, "scopes"),
        ({"scopes": ["read", "everything"]}, "scopes"),
        ({"scopes": []}, "scopes"),
    ],
)
async def test_an_impossible_api_token_is_not_made(alice: Person, input_: Any, field: str) -> None:
    assert await alice.refusal("apiTokenCreate", name="x", **input_) == ("BAD_USER_INPUT", ["input", field])


async def test_secrets_are_kept_as_hashes_only(site: Site, alice: Person, nora: Any, admin: Database) -> None:
    made = await make_token(alice, "read")
    rows: list[Any] = []
    for table in ("api_tokens", "sessions", "users"):
        rows += await admin.platform_rows(text(f"select to_jsonb(t)::text as row from app.{table} t"))
    dump = "\n".join(row.row for row in rows)
    assert made["apiToken"]["prefix"] in dump
    for secret in (made["token"], made["token"].split("_", 2)[2], nora["tokens"]["refreshToken"], PASSWORD):
        assert secret not in dump


async def test_a_member_of_two_tenants_chooses_one_with_a_header(site: Site, alice: Person, bob: Person) -> None:
    both = await site.tenant()
    await site.also_in(both, alice, Role.VIEWER)
    assert (await both(ME))["tenant"]["id"] == both.tenant_gid
    both.headers["x-tenant"] = alice.tenant_gid
    me = await both(ME)
    assert (me["tenant"]["id"], me["role"], me["scopes"]) == (alice.tenant_gid, "VIEWER", ["read"])
    assert {one["tenant"]["id"] for one in me["memberships"]} == {both.tenant_gid, alice.tenant_gid}


async def test_the_header_cannot_lead_into_a_tenant_one_does_not_belong_to(alice: Person, bob: Person) -> None:
    answer = await alice.site.post(ME, authorization=bob.authorization, **{"x-tenant": alice.tenant_gid})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
    for garbage in ("nonsense", alice.tenant_gid[:-2], "dW5rbm93bg=="):
        answer = await alice.site.post(ME, authorization=bob.authorization, **{"x-tenant": garbage})
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")


async def test_sign_ins_are_counted_and_held_back(site: Site, redis: Any) -> None:
    email = f"{secrets.token_hex(4)}@example.org"
    await redis.set(f"sign-in:login:{email}", 60, ex=60)
    answer = await ask(site, LOGIN, email=email, password=PASSWORD)
    assert [e["code"] for e in answer["userErrors"]] == ["RATE_LIMITED"]
