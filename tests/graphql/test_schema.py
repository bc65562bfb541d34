"""The schema as a document: printed as it is, described throughout, named alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_specified_scalar_type,
)

from app.printer import PRINTED
from resolvers.root import build_schema as ours

SDL = ours().as_str() + "\n"
SCHEMA = build_schema(SDL)


def types(schema: GraphQLSchema) -> Iterator[GraphQLNamedType]:
    for name, type_ in schema.type_map.items():
        if not name.startswith("__") and not is_specified_scalar_type(type_):
            yield type_


def undescribed(schema: GraphQLSchema) -> list[str]:
    """Everything that a reader of the printed schema would find without a word."""
    missing = []
    for type_ in types(schema):
        parts = {type_.name: type_.description}
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in type_.fields.items():
                parts[f"{type_.name}.{name}"] = field.description
                parts |= {f"{type_.name}.{name}({arg})": one.description for arg, one in field.args.items()}
        elif isinstance(type_, GraphQLInputObjectType):
            parts |= {f"{type_.name}.{name}": field.description for name, field in type_.fields.items()}
        elif isinstance(type_, GraphQLEnumType):
            parts |= {f"{type_.name}.{name}": value.description for name, value in type_.values.items()}
        missing += [name for name, description in parts.items() if not (description or "").strip()]
    return missing


def test_everything_has_a_description() -> None:
    assert undescribed(SCHEMA) == []


@pytest.mark.parametrize(
    "defect",
    [
        "type Mute { a: Int }",
        '"x" type T { a: Int }',
        '"x" type T { "x" a(b: Int): Int }',
        '"x" input I { a: Int }',
        '"x" enum E { A }',
        "scalar S",
        "union U = Query",
    ],
)
def test_a_missing_description_would_be_found(defect: str) -> None:
    assert undescribed(build_schema(f'"x" type Query {{ "x" a: Int }} {defect}')) != []


def test_the_printed_schema_is_todays() -> None:
    assert Path(PRINTED).read_text(encoding="utf-8") == SDL, "run `make schema`"


def test_a_mutation_takes_one_input_and_answers_with_a_payload_named_alike() -> None:
    assert SCHEMA.mutation_type is not None
    for name, field in SCHEMA.mutation_type.fields.items():
        pascal = name[0].upper() + name[1:]
        assert {arg: str(one.type) for arg, one in field.args.items()} == {"input": f"{pascal}Input!"}, name
        result = get_named_type(field.type).name
        assert isinstance(field.type, GraphQLNonNull)
        starts_a_text = name in {"chapterGenerate", "messageSend", "messageEdit", "messageRegenerate"}
        assert result == (f"{pascal}Result" if starts_a_text else f"{pascal}Payload"), name


def test_every_payload_says_why_it_did_nothing() -> None:
    for type_ in types(SCHEMA):
        if type_.name.endswith("Payload"):
            assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
            assert str(type_.fields["userErrors"].type) == "[MutationError!]!", type_.name


def test_every_event_has_a_place_in_its_stream() -> None:
    interface = SCHEMA.type_map["StreamEvent"]
    assert isinstance(interface, GraphQLInterfaceType)
    assert {name: str(field.type) for name, field in interface.fields.items()} == {
        "seq": "Int!", "cursor": "String!", "at": "DateTime!"}  # fmt: skip
    for event in SCHEMA.get_possible_types(interface):
        if event.name in {"JobSucceeded", "JobFailed", "JobCancelled"}:
            assert {one.name for one in event.interfaces} == {"StreamEvent", "JobEvent"}
            continue
        assert {one.name for one in event.interfaces} in (
            {"StreamEvent", "GenerationEvent", "JobEvent"},
            {"StreamEvent", "DocumentEvent"},
            {"StreamEvent", "ConversationEvent"},
        )


def test_every_connection_pages_in_the_same_way() -> None:
    for type_ in types(SCHEMA):
        if type_.name.endswith("Connection"):
            assert isinstance(type_, GraphQLObjectType)
            node = type_.name.removesuffix("Connection")
            assert {name: str(field.type) for name, field in type_.fields.items()} == {
                "edges": f"[{node}Edge!]!", "pageInfo": "PageInfo!"}  # fmt: skip
        elif isinstance(type_, GraphQLObjectType):
            for name, field in type_.fields.items():
                if get_named_type(field.type).name.endswith("Connection"):
                    paging = {arg: str(field.args[arg].type) for arg in ("first", "after")}
                    assert paging == {"first": "Int!", "after": "String"}, f"{type_.name}.{name}"
                    default = field.args["first"].ast_node.default_value
                    assert default.value == "20", f"{type_.name}.{name}"


def test_own_scalars_say_where_they_are_specified() -> None:
    own = [one for one in types(SCHEMA) if isinstance(one, GraphQLScalarType)]
    assert {one.name for one in own} == {"DateTime", "Decimal", "JSON", "TokenCount"}
    assert all((one.specified_by_url or "").startswith("https://") for one in own)


SECRETS = re.compile(r"hash|secret|password|lease|principal|trace_?parent", re.IGNORECASE)


def test_no_output_field_bears_a_secrets_name() -> None:
    shown = [
        f"{type_.name}.{name}"
        for type_ in types(SCHEMA)
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        for name in type_.fields
        if SECRETS.search(name)
    ]
    assert shown == [
        "ContextReceipt.prefixHash", "DocumentRejection.hash", "DocumentUsage.hash",
        "Mutation.webhookEndpointRotateSecret", "TrustedDocument.hash",
        "WebhookEndpointCreatePayload.secret", "WebhookEndpointRotateSecretPayload.secret",
    ]  # fmt: skip


def test_starting_work_or_moving_money_takes_an_idempotency_key() -> None:
    for name in ("ChapterGenerateInput", "JobRetryInput"):
        input_ = SCHEMA.type_map[name]
        assert isinstance(input_, GraphQLInputObjectType)
        assert str(input_.fields["idempotencyKey"].type) == "String!"
