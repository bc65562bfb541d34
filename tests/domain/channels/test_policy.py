"""Policies as JSON: what is read is what was written, and what cannot be read is refused with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.channels.policy import DEPTH_MAX, NAME_CHARS_MAX, NAMES_MAX, Policy, Strategy, parse_policy, policy_json
from domain.errors import ErrorCode, Rejected
from domain.ids import ChannelId

NAMES = st.frozensets(st.text(min_size=1, max_size=8), max_size=3)
FLAT = st.builds(
    Policy,
    strategy=st.sampled_from(Strategy),
    groups=NAMES,
    regions=NAMES,
    models=NAMES,
    excluded=st.frozensets(st.uuids().map(ChannelId), max_size=3),
    sticky=st.booleans(),
)


def nested(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {"strategy": "RANDOM"}
    for _ in range(levels - 1):
        data = {"strategy": "RANDOM", "fallback": data}
    return data


@given(st.lists(FLAT, min_size=1, max_size=DEPTH_MAX))
def test_a_policy_that_is_written_is_read_again(policies: list[Policy]) -> None:
    whole: Policy | None = None
    for one in policies:
        whole = Policy(one.strategy, one.groups, one.regions, one.models, one.excluded, one.sticky, whole)
    assert whole is not None
    assert parse_policy(policy_json(whole)) == whole


def test_a_policy_is_written_without_what_is_left_at_its_default() -> None:
    assert policy_json(Policy()) == {"strategy": "WEIGHTED"}
    assert parse_policy({"strategy": "WEIGHTED"}) == Policy()


def test_fallbacks_are_nested_to_a_limit() -> None:
    assert len(parse_policy(nested(DEPTH_MAX)).chain()) == DEPTH_MAX
    with pytest.raises(Rejected) as refused:
        parse_policy(nested(DEPTH_MAX + 1), "input")
    assert (refused.value.code, refused.value.field) == (ErrorCode.LIMIT_REACHED, ("input", *["fallback"] * DEPTH_MAX))


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        ([], (), "A policy is an object."),
        ({}, ("strategy",), "The strategy is one of RANDOM, "),
        ({"strategy": "FASTEST"}, ("strategy",), "The strategy is one of RANDOM, "),
        ({"strategy": ["RANDOM"]}, ("strategy",), "The strategy is one of RANDOM, "),
        ({"strategy": "RANDOM", "group": []}, (), "A policy has no field 'group'."),
        ({"strategy": "RANDOM", 1: 2}, (), "A policy has no field '1'."),
        ({"strategy": "RANDOM", "groups": "cn"}, ("groups",), "This must be a list of names."),
        ({"strategy": "RANDOM", "models": [""]}, ("models",), "This must be a list of names."),
        ({"strategy": "RANDOM", "excluded": ["x"]}, ("excluded",), "'x' is not the id of a channel."),
        ({"strategy": "RANDOM", "sticky": 1}, ("sticky",), "This must be true or false."),
        ({"strategy": "RANDOM", "fallback": 7}, ("fallback",), "A policy is an object."),
        ({"strategy": "RANDOM", "fallback": {}}, ("fallback", "strategy"), "The strategy is one of RANDOM, "),
    ],
)
def test_what_is_no_policy_is_refused_with_its_place(data: object, field: tuple[str, ...], message: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_policy(data, "input", "policy")
    assert (refused.value.code, refused.value.field) == (ErrorCode.BAD_USER_INPUT, ("input", "policy", *field))
    assert refused.value.message.startswith(message)


def test_lists_and_names_have_a_limit() -> None:
    most = {"strategy": "RANDOM", "groups": [str(i).zfill(NAME_CHARS_MAX) for i in range(NAMES_MAX)]}
    assert len(parse_policy(most).groups) == NAMES_MAX
    for names in ([str(i) for i in range(NAMES_MAX + 1)], ["x" * (NAME_CHARS_MAX + 1)]):
        with pytest.raises(Rejected) as refused:
            parse_policy({"strategy": "RANDOM", "groups": names})
        assert (refused.value.code, refused.value.field) == (ErrorCode.LIMIT_REACHED, ("groups",))
