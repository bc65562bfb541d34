"""Registering, signing in, sessions and API tokens, through HTTP."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from sqlalchemy import text

from persistence.database import Database
from tests.documents import LOGIN, LOGOUT, ME, REFRESH, REGISTER
from tests.graphql.conftest import Client, registered

TOKEN_CREATE = """
mutation($scopes: [String!]!, $expiresAt: DateTime) {
  apiTokenCreate(input: {name: "script", scopes: $scopes, expiresAt: $expiresAt}) {
    token apiToken { id prefix scopes revokedAt } userErrors { code field }
  }
}"""
TOKEN_REVOKE = "mutation($id: ID!) { apiTokenRevoke(input: {id: $id}) { apiToken { revokedAt } userErrors { code } } }"


async def test_a_new_user_owns_a_tenant_of_their_own_and_is_signed_in(anonymous: Client) -> None:
    person = await registered(anonymous, "nora")
    me = (await person.gql(ME))["me"]
    assert me["user"]["email"] == person.email
    assert (me["role"], me["tenant"]["id"]) == ("OWNER", person.tenant_id)
    assert me["scopes"] == ["admin", "billing", "generate", "read", "write"]


@pytest.mark.parametrize(
    ("email", "password", "code", "field"),
    [
        ("nobody", "correct horse", "BAD_USER_INPUT", "email"),
        ("a@example.org", "short pwd", "BAD_USER_INPUT", "password"),
        ("a@example.org", "x" * 1_001, "TOO_LONG", "password"),
    ],
)
async def test_bad_registrations_name_their_field(
    anonymous: Client, email: str, password: str, code: str, field: str
) -> None:
    answer = await anonymous.gql(REGISTER, email=email, password=password, name="n")
    assert [(e["code"], e["field"]) for e in answer["register"]["userErrors"]] == [(code, ["input", field])]


async def test_a_password_of_exactly_ten_characters_is_taken(anonymous: Client) -> None:
    email = f"{secrets.token_hex(4)}@example.org"
    answer = await anonymous.gql(REGISTER, email=email, password="0123456789", name="n")
    assert answer["register"]["userErrors"] == []


async def test_an_address_has_one_account_whatever_its_case(anonymous: Client, alice: Client) -> None:
    answer = await anonymous.gql(REGISTER, email=alice.email.upper(), password="correct horse", name="n")
    assert answer["register"]["userErrors"][0]["code"] == "ALREADY_EXISTS"


async def test_a_wrong_password_and_an_unknown_address_read_alike(anonymous: Client, alice: Client) -> None:
    wrong = (await anonymous.gql(LOGIN, email=alice.email, password="wrong horse!"))["login"]
    unknown = (await anonymous.gql(LOGIN, email="ghost@example.org", password="wrong horse!"))["login"]
    assert wrong["userErrors"] == unknown["userErrors"]
    assert wrong["userErrors"][0]["code"] == "INVALID_CREDENTIALS"


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session(anonymous: Client, alice: Client) -> None:
    first = (await anonymous.gql(LOGIN, email=alice.email, password="correct horse"))["login"]["tokens"]
    second = (await anonymous.gql(REFRESH, token=first["refreshToken"]))["refresh"]["tokens"]
    assert (await Client(alice.served, alice.http, second["accessToken"]).gql(ME))["me"]["role"] == "OWNER"

    reused = (await anonymous.gql(REFRESH, token=first["refreshToken"]))["refresh"]
    assert (reused["tokens"], reused["userErrors"][0]["code"]) == (None, "TOKEN_REUSED")
    after = (await anonymous.gql(REFRESH, token=second["refreshToken"]))["refresh"]
    assert after["userErrors"][0]["code"] == "INVALID_CREDENTIALS"
    answer = await Client(alice.served, alice.http, second["accessToken"]).post(ME)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")


async def test_signing_out_ends_the_session_at_once(anonymous: Client, alice: Client) -> None:
    tokens = (await anonymous.gql(LOGIN, email=alice.email, password="correct horse"))["login"]["tokens"]
    person = Client(alice.served, alice.http, tokens["accessToken"])
    assert (await person.gql(ME))["me"]["role"] == "OWNER"
    assert (await anonymous.gql(LOGOUT, token=tokens["refreshToken"]))["logout"] == {"ok": True, "userErrors": []}
    assert (await person.post(ME)).status_code == 401


async def test_an_api_token_can_do_what_its_scopes_allow_and_no_more(alice: Client) -> None:
    made = (await alice.gql(TOKEN_CREATE, scopes=["read"]))["apiTokenCreate"]
    script = Client(alice.served, alice.http, made["token"])
    assert (await script.gql(ME))["me"]["scopes"] == ["read"]
    assert await script.errors('mutation { projectCreate(input: {title: "x"}) { project { id } } }') == ["FORBIDDEN"]


async def test_a_revoked_api_token_stops_at_once(alice: Client) -> None:
    made = (await alice.gql(TOKEN_CREATE, scopes=["read"]))["apiTokenCreate"]
    script = Client(alice.served, alice.http, made["token"])
    await script.gql(ME)
    revoked = (await alice.gql(TOKEN_REVOKE, id=made["apiToken"]["id"]))["apiTokenRevoke"]["apiToken"]["revokedAt"]
    assert revoked is not None
    assert (await script.post(ME)).status_code == 401


async def test_an_expiry_in_the_past_and_an_unknown_scope_are_refused(alice: Client) -> None:
    past = await alice.gql(TOKEN_CREATE, scopes=["read"], expiresAt="2020-01-01T00:00:00Z")
    wide = await alice.gql(TOKEN_CREATE, scopes=["platform"])
    assert past["apiTokenCreate"]["userErrors"] == [{"code": "BAD_USER_INPUT", "field": ["input", "expiresAt"]}]
    assert wide["apiTokenCreate"]["userErrors"] == [{"code": "BAD_USER_INPUT", "field": ["input", "scopes"]}]


async def test_neither_token_nor_password_is_kept_in_the_clear(alice: Client, admin: Database) -> None:
    made = (await alice.gql(TOKEN_CREATE, scopes=["read"]))["apiTokenCreate"]
    rows: list[Any] = []
    for table in ("api_tokens", "sessions", "users"):
        rows += await admin.platform_rows(text(f"select to_jsonb(t)::text as row from app.{table} t"))
    dump = "\n".join(row.row for row in rows)
    assert made["apiToken"]["prefix"] in dump
    for secret in (made["token"], made["token"].split("_", 2)[2], alice.refresh_token, "correct horse"):
        assert secret not in dump


async def test_the_header_cannot_lead_into_a_tenant_one_does_not_belong_to(alice: Client, bob: Client) -> None:
    intruder = Client(bob.served, bob.http, bob.token, headers={"x-tenant": alice.tenant_id})
    answer = await intruder.post(ME)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
