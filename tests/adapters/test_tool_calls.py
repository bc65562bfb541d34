"""A model that asks for tools, in every protocol."""

from __future__ import annotations

import json

import pytest

from adapters.tool_calls import CALLS_MAX, ToolCalls
from domain.generation.provider import (
    ChatMessage,
    CompletionRequest,
    Finished,
    FinishReason,
    ProviderError,
    ProviderErrorCode,
    Tool,
    ToolCall,
    ToolCallChunk,
    UsageReport,
)
from tests.adapters.calls import Wire, completion, read
from tests.fakes.behaviour import TOOL_CALLS, expected_text

LOOK_UP = Tool("look_up", "Looks a name up in the codex.", {"type": "object", "properties": {"name": {}}})


async def test_a_models_calls_arrive_whole_after_its_text_and_before_its_end(wire: Wire) -> None:
    reading = await wire.read("tool_calls")
    signature = wire.dialect.signature
    assert reading.text == expected_text(20)
    assert reading.tool_calls == [
        ToolCall("call_a", "look_up", {"name": "米拉", "chapters": [1, 2]}, signature),
        ToolCall("call_b", "roll", {}, signature),
    ]
    assert [type(event) for event in reading.events[-4:]] == [ToolCall, ToolCall, UsageReport, Finished]
    assert reading.finished is not None
    assert reading.finished.reason is FinishReason.TOOL_CALLS


async def test_a_call_can_be_watched_while_it_is_written(wire: Wire) -> None:
    pieces = [event for event in (await wire.read("tool_calls")).events if isinstance(event, ToolCallChunk)]
    first = [piece for piece in pieces if piece.index == pieces[0].index]
    assert (first[0].id, first[0].name) == ("call_a", "look_up")
    assert json.loads("".join(piece.arguments for piece in first)) == json.loads(TOOL_CALLS[0][2])


async def test_a_call_with_half_its_arguments_is_no_call(wire: Wire) -> None:
    reading = await wire.read("broken_tool_call")
    assert (reading.failure.code, reading.tool_calls) == (ProviderErrorCode.INVALID_RESPONSE, [])
    assert reading.text == expected_text(20)


async def test_calls_of_an_answer_that_grew_too_long_are_left_out(wire: Wire) -> None:
    reading = await wire.read("tool_calls", characters_max=len(expected_text(20)) + 5)
    assert reading.finished is not None
    assert (reading.finished.reason, reading.tool_calls) == (FinishReason.LENGTH, [])


async def test_the_counts_of_a_call_that_cannot_be_read_are_told_all_the_same(wire: Wire) -> None:
    if wire.firm == "gemini":
        pytest.skip("the frame itself has the wrong shape, and nothing after it is read")
    assert (await wire.read("broken_tool_call")).usage == [wire.dialect.usage]


async def test_tools_that_were_not_offered_are_not_sent(wire: Wire) -> None:
    await wire.read("ok")
    assert "tools" not in json.dumps(wire.fake.exchanges[0].body)


OFFERED = {
    "name": "look_up",
    "description": "Looks a name up in the codex.",
    "parameters": {"type": "object", "properties": {"name": {}}},
}
OPENAI_FORM = [{"type": "function", "function": OFFERED}]
ANTHROPIC_FORM = [{**{k: v for k, v in OFFERED.items() if k != "parameters"}, "input_schema": OFFERED["parameters"]}]
GEMINI_FORM = [
    {
        "functionDeclarations": [
            {**{k: v for k, v in OFFERED.items() if k != "parameters"}, "parametersJsonSchema": OFFERED["parameters"]}
        ]
    }
]


async def test_a_tool_is_offered_in_the_firms_own_form(wire: Wire) -> None:
    await read(wire.provider().stream(completion(tools=(LOOK_UP,))))
    body = wire.fake.exchanges[0].body
    offered = {
        "openai": lambda: body["tools"] == OPENAI_FORM,
        "azure": lambda: body["tools"] == OPENAI_FORM,
        "dashscope": lambda: body["parameters"]["tools"] == OPENAI_FORM,
        "anthropic": lambda: body["tools"] == ANTHROPIC_FORM,
        "gemini": lambda: body["tools"] == GEMINI_FORM,
    }
    assert offered[wire.firm]()


TALK = (
    ChatMessage("user", "Who is she?"),
    ChatMessage(
        "assistant",
        "",
        tool_calls=(ToolCall("call_a", "look_up", {"name": "米拉"}, "c2lnbmVk"), ToolCall("call_b", "roll", {})),
    ),
    ChatMessage("tool", "A lamplighter.", tool_call_id="call_a"),
    ChatMessage("tool", "Six.", tool_call_id="call_b"),
    ChatMessage("assistant", "She lights lamps."),
)
OPENAI_TALK = [
    {"role": "user", "content": "Who is she?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "look_up", "arguments": '{"name": "米拉"}'}},
            {"id": "call_b", "type": "function", "function": {"name": "roll", "arguments": "{}"}},
        ],
    },
    {"role": "tool", "content": "A lamplighter.", "tool_call_id": "call_a"},
    {"role": "tool", "content": "Six.", "tool_call_id": "call_b"},
    {"role": "assistant", "content": "She lights lamps."},
]
ANTHROPIC_TALK = [
    {"role": "user", "content": "Who is she?"},
    {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "call_a", "name": "look_up", "input": {"name": "米拉"}},
            {"type": "tool_use", "id": "call_b", "name": "roll", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call_a", "content": "A lamplighter."},
            {"type": "tool_result", "tool_use_id": "call_b", "content": "Six."},
        ],
    },
    {"role": "assistant", "content": "She lights lamps."},
]
GEMINI_TALK = [
    {"role": "user", "parts": [{"text": "Who is she?"}]},
    {
        "role": "model",
        "parts": [
            {
                "functionCall": {"id": "call_a", "name": "look_up", "args": {"name": "米拉"}},
                "thoughtSignature": "c2lnbmVk",
            },
            {"functionCall": {"id": "call_b", "name": "roll", "args": {}}},
        ],
    },
    {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "call_a", "name": "look_up", "response": {"result": "A lamplighter."}}},
            {"functionResponse": {"id": "call_b", "name": "roll", "response": {"result": "Six."}}},
        ],
    },
    {"role": "model", "parts": [{"text": "She lights lamps."}]},
]


async def test_calls_and_their_answers_go_back_in_the_firms_own_form(wire: Wire) -> None:
    assert (await read(wire.provider().stream(CompletionRequest("fake-writer", TALK)))).error is None
    body = wire.fake.exchanges[0].body
    sent = {
        "openai": lambda: body["messages"] == OPENAI_TALK,
        "azure": lambda: body["messages"] == OPENAI_TALK,
        "dashscope": lambda: body["input"]["messages"] == OPENAI_TALK,
        "anthropic": lambda: body["messages"] == ANTHROPIC_TALK,
        "gemini": lambda: body["contents"] == GEMINI_TALK,
    }
    assert sent[wire.firm]()


def _whole(*pieces: ToolCallChunk) -> list[ToolCall]:
    calls = ToolCalls()
    for piece in pieces:
        calls.add(piece)
    return list(calls.whole())


def test_pieces_of_two_calls_may_come_in_turns() -> None:
    pieces = [
        ToolCallChunk(0, "a", "x", '{"n'),
        ToolCallChunk(1, "b", "y", '{"m"'),
        ToolCallChunk(0, arguments='": 1}'),
        ToolCallChunk(1, arguments=": 2}"),
    ]
    assert _whole(*pieces) == [ToolCall("a", "x", {"n": 1}), ToolCall("b", "y", {"m": 2})]


def test_a_name_that_comes_with_every_piece_is_one_name() -> None:
    assert _whole(ToolCallChunk(0, "a", "x", "{"), ToolCallChunk(0, "a", "x", "}")) == [ToolCall("a", "x", {})]


def test_a_call_without_an_id_gets_one_by_its_place() -> None:
    assert _whole(ToolCallChunk(4, name="x")) == [ToolCall("call_4", "x", {})]


@pytest.mark.parametrize("arguments", ["[]", "1", "{", "null", "[" * 100_000])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    with pytest.raises(ProviderError) as caught:
        _whole(ToolCallChunk(0, "a", "x", arguments))
    assert caught.value.code is ProviderErrorCode.INVALID_RESPONSE


def test_a_call_without_a_name_is_refused() -> None:
    with pytest.raises(ProviderError) as caught:
        _whole(ToolCallChunk(0, "a"))
    assert caught.value.detail == "a tool call without a name"


def test_there_may_be_as_many_calls_as_the_limit_and_no_more() -> None:
    pieces = [ToolCallChunk(index, f"c{index}", "x") for index in range(CALLS_MAX + 1)]
    assert len(_whole(*pieces[:CALLS_MAX])) == CALLS_MAX
    with pytest.raises(ProviderError) as caught:
        _whole(*pieces)
    assert caught.value.code is ProviderErrorCode.INVALID_RESPONSE
