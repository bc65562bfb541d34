"""Print the schema, or check that the printed one is today's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from app.settings import Settings
from resolvers.root import build_schema

PRINTED = Path(__file__).resolve().parent.parent / "graphql_schema.graphql"


def main(settings: Settings, args: argparse.Namespace) -> int:
    sdl = build_schema().as_str() + "\n"
    if not args.check:
        sys.stdout.write(sdl)
        return 0
    if PRINTED.read_text(encoding="utf-8") == sdl:
        return 0
    print("graphql_schema.graphql differs from the code: run `make schema`", file=sys.stderr)
    return 1
