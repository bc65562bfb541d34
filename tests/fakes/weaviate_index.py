"""What the fake Weaviate keeps, and how it finds in it: text is equal when its tokens are, and a Chinese run is one word
to `word`, as in the real one.
"""

from __future__ import annotations

import math
import re
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from weaviate.proto.v1 import base_pb2 as base_pb

_HAN = re.compile(r"[\u3400-\u9fff]+")


class Refused(Exception):
    """What the server says no with."""


@dataclass
class Stored:
    properties: dict[str, Any]
    vector: tuple[float, ...]


@dataclass
class Index:
    """What the server keeps: schema, tenants and their states, objects by (collection, tenant)."""

    classes: dict[str, dict[str, Any]] = field(default_factory=dict)
    tenants: dict[str, dict[str, str]] = field(default_factory=dict)
    objects: dict[tuple[str, str], dict[str, Stored]] = field(default_factory=dict)

    def named(self, name: str) -> dict[str, Any]:
        if name not in self.classes:
            raise Refused(f"could not find class {name} in schema")
        return self.classes[name]

    def of(self, name: str, tenant: str) -> dict[str, Stored]:
        self.named(name)
        if not tenant:
            raise Refused(f"class {name} has multi-tenancy enabled, but request was without tenant")
        state = self.tenants[name].get(tenant)
        if state is None:
            raise Refused(f'tenant not found: "{tenant}"')
        if state != "HOT":
            raise Refused(f"tenant not active: '{tenant}'")
        return self.objects.setdefault((name, tenant), {})

    def tokenization(self, name: str, prop: str) -> str:
        for one in self.named(name)["properties"]:
            if one["name"] == prop:
                return str(one.get("tokenization") or "word")
        raise Refused(f"no such prop with name '{prop}' found in class '{name}'")


def tokens(text: str, tokenization: str) -> list[str]:
    match tokenization:
        case "field":
            return [text.strip()]
        case "gse_ch":
            found = re.findall(r"[a-z0-9]+", text.lower())
            for run in _HAN.findall(text):
                found += [*run, *(run[at : at + 2] for at in range(len(run) - 1))]
            return found
        case "word":
            return re.findall(r"[^\W_]+", text.lower())
    raise Refused(f"tokenization {tokenization} is not known here")


def matches(index: Index, name: str, asked: base_pb.Filters, uid: str, stored: Stored) -> bool:
    if asked.operator == base_pb.Filters.OPERATOR_AND:
        return all(matches(index, name, one, uid, stored) for one in asked.filters)
    prop = asked.target.property
    kind = asked.WhichOneof("test_value")
    value = getattr(asked, kind)
    wanted = list(value.values) if kind.endswith("_array") else [value]
    if prop == "_id":
        return uid in wanted
    have = stored.properties[prop]
    if isinstance(have, bool):
        return have in wanted
    cut = index.tokenization(name, prop)
    return any(set(tokens(one, cut)) <= set(tokens(have, cut)) for one in wanted)


def bm25(index: Index, name: str, among: dict[str, Stored], query: str, props: Iterable[str]) -> dict[str, float]:
    scores: defaultdict[str, float] = defaultdict(float)
    for prop in props:
        cut = index.tokenization(name, prop)
        held = {uid: Counter(tokens(one.properties[prop], cut)) for uid, one in among.items()}
        mean = sum(sum(one.values()) for one in held.values()) / max(len(held), 1) or 1
        for word in set(tokens(query, cut)):
            having = {uid: one for uid, one in held.items() if one[word]}
            rarity = math.log(1 + (len(held) - len(having) + 0.5) / (len(having) + 0.5))
            for uid, one in having.items():
                length = sum(one.values()) / mean
                scores[uid] += rarity * one[word] * 2.2 / (one[word] + 1.2 * (0.25 + 0.75 * length))
    return dict(scores)


def distances(among: dict[str, Stored], vector: tuple[float, ...]) -> dict[str, float]:
    def norm(one: tuple[float, ...]) -> float:
        return math.sqrt(sum(x * x for x in one)) or 1.0

    return {
        uid: 1 - sum(x * y for x, y in zip(vector, one.vector, strict=True)) / (norm(vector) * norm(one.vector))
        for uid, one in among.items()
    }


def floats(data: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(data) // 4}f", data)
