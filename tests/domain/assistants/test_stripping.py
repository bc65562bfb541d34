"""What a published copy leaves out: each kind of secret by itself, and what only looks like one."""

from __future__ import annotations

import time

import pytest

from domain.assistants.entities import Assistant, AssistantVersion
from domain.assistants.stripping import REMOVED, SECRETS, StripReason, strip_text, stripped_copy
from domain.ids import AssistantId, AssistantVersionId, TenantId, UserId, new_id

HEX = "0123456789abcdef" * 2
MIXED = "xY3" * 14
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{MIXED}\n-----END RSA PRIVATE KEY-----"
EXAMPLES: dict[str, tuple[StripReason, str, str]] = {
    "private key": (StripReason.PRIVATE_KEY, f"See {PEM} here", "See [removed] here"),
    "user and password in a URL": (
        StripReason.URL_CREDENTIALS, "postgres://me:pa55@db.example/x", "postgres://[removed]@db.example/x"),
    "key in a URL": (
        StripReason.URL_CREDENTIALS, "https://a.example/x?api_key=abcd1234&y=1",
        "https://a.example/x?api_key=[removed]&y=1"),
    "Stripe key": (StripReason.API_KEY, "use rk_live_" + "a1" * 12 + " now", "use [removed] now"),
    "model provider's key": (StripReason.API_KEY, "use sk-ant-" + "a1" * 10 + " now", "use [removed] now"),
    "AWS access key": (StripReason.API_KEY, "use AKIA" + "A1" * 8 + " now", "use [removed] now"),
    "Aliyun access key": (StripReason.API_KEY, "use LTAI" + "a1" * 8 + " now", "use [removed] now"),
    "Google key": (StripReason.API_KEY, "use AIza" + "a1B-_" * 7 + " now", "use [removed] now"),
    "GitHub token": (StripReason.TOKEN, "use ghp_" + "a1" * 18 + " now", "use [removed] now"),
    "GitLab token": (StripReason.TOKEN, "use glpat-" + "a1" * 10 + " now", "use [removed] now"),
    "Slack token": (StripReason.TOKEN, "use xoxb-" + "12-ab" * 4 + " now", "use [removed] now"),
    "Hugging Face token": (StripReason.TOKEN, "use hf_" + "aB" * 16 + " now", "use [removed] now"),
    "token of this API": (StripReason.TOKEN, "use fab_" + "a1_b" * 8 + " now", "use [removed] now"),
    "JSON web token": (StripReason.TOKEN, "use eyJhbGciOi.eyJzdWIiOi.c2ln-_ now", "use [removed] now"),
    "bearer token": (StripReason.TOKEN, "Bearer abcdefghijklmnop", "Bearer [removed]"),
    "password that is given": (StripReason.PASSWORD, 'db_password = "s3same" and', 'db_password = "[removed]" and'),
    "password that is told": (StripReason.PASSWORD, "the password is hunter2", "the password is [removed]"),
    "password that is told in Chinese": (StripReason.PASSWORD, "密码是abc123。", "密码是[removed]。"),
    "key that is given": (StripReason.API_KEY, "API key: abcdefgh", "API key: [removed]"),
    "key that is told": (StripReason.API_KEY, "my token is abc123 now", "my token is [removed] now"),
    "key that is told in Chinese": (StripReason.API_KEY, "密钥为abc123，请用", "密钥为[removed]，请用"),
    "long hexadecimal number": (StripReason.TOKEN, f"use {HEX} now", "use [removed] now"),
    "long mixed letters and digits": (StripReason.TOKEN, f"use {MIXED} now", "use [removed] now"),
}  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS, ids=lambda one: one.name)
def test_a_kind_of_secret_is_taken_out_by_its_pattern(secret: object) -> None:
    """By its own pattern and with all of them: no other takes out what this one should name."""
    one = next(each for each in SECRETS if each is secret)
    reason, text, stripped = EXAMPLES[one.name]
    assert one.reason == reason
    assert one.pattern.search(text) is not None
    assert strip_text(text) == (stripped, [reason])


def test_every_pattern_has_an_example_and_a_name_of_its_own() -> None:
    assert [one.name for one in SECRETS] == [*dict.fromkeys(one.name for one in SECRETS)]
    assert {one.name for one in SECRETS} == EXAMPLES.keys()


@pytest.mark.parametrize(
    "text",
    [
        "The password is whispered at the gate, and the key to the tower is lost.",
        "密码是一句诗，没有人记得。钥匙在塔里。",
        "Write at most 2,000 words; max_tokens=4096; see https://docs.example/guide?page=2.",
        "A token of love: a ring.",
        "user@example.org met sk-8 players in 1984",
        "The secret: love.",
        "a-very-long-name-with-many-hyphens-and-no-digits-at-all-in-it",
        "2026-01-31T12:00:00.000Z and 01930000-0000-7000-8000-000000000f01",
        f"Nothing is left of {REMOVED}.",
    ],
)
def test_prose_that_only_sounds_like_it_stays(text: str) -> None:
    assert strip_text(text) == (text, [])


def test_stripping_twice_changes_nothing_more() -> None:
    for _, text, stripped in EXAMPLES.values():
        assert strip_text(strip_text(text)[0]) == (stripped, [])


@pytest.mark.parametrize("text", ["a" * 20_000, "password" * 2_500, "aB3" * 6_666, "-" * 20_000, "://" * 6_666,
                                  "token is " * 2_222, "?key=" * 4_000, "sk-" * 6_666, "-----BEGIN " * 1_800])  # fmt: skip
def test_a_text_that_is_made_to_be_slow_is_not(text: str) -> None:
    began = time.process_time()
    strip_text(text)
    assert time.process_time() - began < 2


def test_a_copy_leaves_out_what_is_secret_wherever_it_stands() -> None:
    key = "sk-" + "a1" * 10
    assistant = Assistant(
        TenantId(new_id()), AssistantId(new_id()), UserId(new_id()), f"n {key}", f"d {key}", tags=["fine", key]
    )
    version = AssistantVersion(
        assistant.tenant_id, AssistantVersionId(new_id()), assistant.id, 1, f"p {key}", f"g {key}", [f"o {key}"],
        [{"user": f"u {key}", "assistant": f"a {key}"}], f"m {key}", 0.5, 10, [{"name": "t", "description": f"x {key}"}],
        [str(new_id())], f"c {key}",
    )  # fmt: skip
    copy = stripped_copy(assistant, version)
    assert [one.path for one in copy.stripped] == [
        "name", "description", "tags[1]", "prompt", "greeting", "openingMessages[0]", "examples[0].user",
        "examples[0].assistant", "modelPreferences.model", "tools[0].description", "changelog", "knowledgeBaseIds[0]",
    ]  # fmt: skip
    assert {one.reason for one in copy.stripped} == {StripReason.API_KEY, StripReason.KNOWLEDGE_BASE}
    assert (copy.name, copy.description, copy.tags) == ("n [removed]", "d [removed]", ["fine"])
    assert key not in repr(copy)
    assert copy.version.knowledge_base_ids == []
    assert (version.prompt, len(version.knowledge_base_ids)) == (f"p {key}", 1)
    assert (copy.version.temperature, copy.version.max_output_tokens, copy.version.id) == (0.5, 10, version.id)
