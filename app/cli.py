"""`python -m app COMMAND`: what can be run, and what each needs to be told.

A command's module is imported only when it is the one to run, so that `--help` answers at once. It has
`main(settings, args) -> int`, the exit code.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from app.settings import Settings

_EXIT_USAGE: Final = 2
_DATABASE: Final = ("database_app_url", "DATABASE_APP_URL, or DATABASE_URL and FABULA_APP_PASSWORD")
_REDIS: Final = ("redis_url", "REDIS_URL")
_SECRET: Final = ("secret", "FABULA_SECRET")
_RELAY: Final = ("database_relay_url", "DATABASE_RELAY_URL, or DATABASE_URL and FABULA_RELAY_PASSWORD")
_WEAVIATE: Final = ("weaviate_url", "WEAVIATE_URL")
_MIGRATOR: Final = ("database_url", "DATABASE_URL")


@dataclass(frozen=True)
class Command:
    """One word of the command line. `needs` pairs a field of Settings with the variables that give it."""

    module: str
    help: str
    needs: tuple[tuple[str, str], ...] = ()
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _parser: None


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _object(text: str) -> dict[str, Any]:
    """Raises ValueError, of which JSONDecodeError is one, as argparse expects."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:  # the last TCP port
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return number


def _up_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, metavar="N", help="port of the API, 0 for any free one (default 8000)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where everything is kept (default .fabula)")
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="written when all is ready (DIR/ready.json)")
    parser.add_argument("--workers", type=_at_least_one, default=1, metavar="N", help="worker processes (default 1)")
    parser.add_argument("--no-demo", dest="demo", action="store_false", help="make no demo tenant")


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of text")


def _documents_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    push = actions.add_parser("push", help="register the documents of a manifest")
    push.add_argument("file", type=Path, metavar="FILE", help='a manifest: {"sha256:<hex>": "text"}')
    push.add_argument(
        "--app", default="first-party", metavar="ID", help="a client application (default: the product's own clients)"
    )
    actions.add_parser("check", help="fail, with its name, when a registered document does not fit the schema")
    explain = actions.add_parser("explain", help="say how a query is answered, and PostgreSQL's plan for it")
    explain.add_argument("document", metavar="HASH_OR_FILE", help="a registered document, or a file with a query")
    explain.add_argument("--tenant", required=True, metavar="ID", help="whose rows are asked for")
    explain.add_argument("--variables", type=_object, metavar="JSON", help="the variables, as an object")
    explain.add_argument("--operation", metavar="NAME", help="which of a document's operations")
    explain.add_argument("--analyze", action="store_true", help="run the statement, and say what it took")


def _prices_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    imported = actions.add_parser("import", help="add the new prices of a list: all of it, or nothing")
    imported.add_argument("file", type=Path, metavar="FILE", help="a price list; JSON if it is named so, else YAML")


def _channels_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser(
        "rekey", help="seal every channel's key and webhook's secret with the first of FABULA_CHANNEL_KEYS"
    )


def _market_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("reports", help="print what people report of published assistants, newest first")
    for name, what in (
        ("withdraw", "take an assistant off the market, where it cannot be published again"),
        ("allow", "let one that was taken off the market be published again"),
    ):
        action = actions.add_parser(name, help=what)
        action.add_argument("assistant", type=UUID, metavar="ID", help="its id, as `reports` prints it")


def _tenant_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", type=UUID, metavar="ID", help="of this tenant only (default: of all)")


def _schema_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="fail when graphql_schema.graphql differs")


COMMANDS: Final = {
    "up": Command("app.supervisor", "run everything on this machine", arguments=_up_arguments),
    "serve": Command("app.serve", "run the API", (_DATABASE, _REDIS, _SECRET)),
    "worker": Command("app.work", "run jobs", (_DATABASE, _REDIS, _SECRET)),
    "relay": Command("app.relay", "send the outbox, sweep, run schedules", (_DATABASE, _RELAY, _REDIS)),
    "migrate": Command("app.migrate", "bring the database up to date", (_MIGRATOR,)),
    "schema": Command("app.printer", "print the GraphQL schema", arguments=_schema_arguments),
    "check": Command("app.check", "check settings and the servers they name", (_DATABASE, _REDIS)),
    "documents": Command("app.documents", "push, check or explain trusted documents", arguments=_documents_arguments),
    "channels": Command("app.rekey", "seal channels' keys anew", arguments=_channels_arguments),
    "prices": Command("app.prices", "import prices", arguments=_prices_arguments),
    "market": Command("app.market", "look after published assistants", arguments=_market_arguments),
    "reindex": Command(
        "app.reindex", "rebuild the index of search from PostgreSQL", (_DATABASE, _RELAY, _WEAVIATE), _tenant_arguments
    ),
    "check-index": Command(
        "app.check_index",
        "compare the index of search with PostgreSQL",
        (_DATABASE, _RELAY, _WEAVIATE),
        _tenant_arguments,
    ),
    "demo": Command("app.demo", "make the demo tenant, or sign in to it", (_DATABASE, _SECRET), _demo_arguments),
}


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="python -m app", description="Fabula: a GraphQL backend for long-form writing.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        command.arguments(commands.add_parser(name, help=command.help, description=command.help.capitalize() + "."))
    return top


def main(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    args = parser().parse_args(arguments)
    from app.settings import Settings, SettingsError  # most of a second that --help does without

    try:
        settings = Settings.read()
    except SettingsError as error:
        print(f"fabula: the environment cannot be used\n{error}", file=sys.stderr)
        return _EXIT_USAGE
    command = COMMANDS[args.command]
    if missing := _missing(settings, command):
        print(f"fabula: {args.command} needs {missing}; `python -m app up` sets all of it by itself", file=sys.stderr)
        return _EXIT_USAGE
    code: int = importlib.import_module(command.module).main(settings, args)
    return code


def _missing(settings: Settings, command: Command) -> str:
    return "; ".join(variables for field, variables in command.needs if not len(getattr(settings, field)))
