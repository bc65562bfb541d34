"""Rules of style and layout that matter enough to be checked. Each check is shown to see what it looks for."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parent.parent
PRODUCT = ("domain", "persistence", "workers", "schema", "resolvers", "adapters", "app", "migrations", "bench")
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

BARE_IGNORE = re.compile(r"#\s*type:\s*ignore(?!\[)")
BARE_NOQA = re.compile(r"#\s*noqa(?!:)", re.IGNORECASE)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def sources(*roots: str) -> list[Path]:
    return sorted(path for root in roots for path in (TREE / root).rglob("*.py") if "node_modules" not in path.parts)


def named(path: Path) -> str:
    return str(path.relative_to(TREE))


PRODUCT_SOURCES = sources(*PRODUCT)
ALL_SOURCES = sources(*PRODUCT, "tests")


def long_functions(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX:
                yield node.name


def comments(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def foreign_imports(source: str) -> set[str]:
    """What a module of the domain imports besides the standard library and the domain."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("" if node.level else str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"domain"}


def reads_environment(source: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} for node in ast.walk(ast.parse(source))
    )


@pytest.mark.parametrize("path", ALL_SOURCES, ids=named)
def test_a_module_is_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES_MAX


def test_a_function_fits_a_screen() -> None:
    long = {named(path): names for path in PRODUCT_SOURCES if (names := [*long_functions(path.read_text("utf-8"))])}
    assert long == {}
    assert [*long_functions("def f():\n" + "    pass\n" * 69)] == []
    assert [*long_functions("class C:\n async def f():\n" + "  pass\n" * 70)] == ["f"]


def test_the_domain_needs_nothing_but_python() -> None:
    foreign = {named(path): found for path in sources("domain") if (found := foreign_imports(path.read_text("utf-8")))}
    assert foreign == {}
    assert foreign_imports("import os\nfrom sqlalchemy import text\nimport domain.jobs\nimport redis.asyncio") == {
        "sqlalchemy", "redis"}  # fmt: skip
    assert foreign_imports("def f():\n    from . import x") == {""}


def test_what_is_silenced_is_named() -> None:
    bare = [
        f"{named(path)}: {comment}"
        for path in ALL_SOURCES
        for comment in comments(path.read_text(encoding="utf-8"))
        if BARE_IGNORE.search(comment) or BARE_NOQA.search(comment)
    ]
    assert bare == []
    for silence in ("# type: ignore", "#type:ignore # why", "# noqa", "# NOQA because"):
        assert BARE_IGNORE.search(silence) or BARE_NOQA.search(silence)
    for silence in ("# type: ignore[misc]", "# noqa: E501"):
        assert not (BARE_IGNORE.search(silence) or BARE_NOQA.search(silence))


def test_nothing_is_left_to_be_done_later() -> None:
    left = [
        f"{named(path)}: {comment}"
        for path in ALL_SOURCES
        for comment in comments(path.read_text(encoding="utf-8"))
        if UNFINISHED.search(comment)
    ]
    assert left == []
    assert UNFINISHED.search("# TODO: later")


def test_only_settings_reads_the_environment() -> None:
    """`app.supervisor` and `app.embedded` hand an environment to the programs they start."""
    readers = {named(path) for path in PRODUCT_SOURCES if reads_environment(path.read_text(encoding="utf-8"))}
    outside = {one for one in readers if not one.startswith(("app/", "bench/"))}
    assert outside == set()
    assert reads_environment("import os\nos.environ['X']")
    assert reads_environment("import os\nx = os.getenv('X')")


def test_the_layers_import_downwards_only() -> None:
    lint = "from importlinter.cli import lint_imports_command as main; main()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"], cwd=TREE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_every_room_has_its_place_in_the_vocabulary() -> None:
    rooms = {"accounts", "projects", "story", "generation", "conversations", "assistants", "knowledge", "channels",
             "billing", "payments", "plans", "files", "plugins", "jobs", "audit", "integrations", "operations",
             "invoices"}  # fmt: skip
    infrastructure = {
        "domain": {"errors", "events", "feeds", "ids", "job_kinds", "text", "unit_of_work"},
        "persistence": {
            "bell",
            "bodies",
            "bucket",
            "database",
            "feeds",
            "json_text",
            "listing",
            "metadata",
            "migrate",
            "paging",
            "shapes",
            "streams",
            "tables",
            "unit_of_work",
            "weaviate",
        },
        "schema": {"base", "batched", "context", "cost", "events", "ids", "routing", "tracing"},
        "resolvers": {
            "budgets",
            "event_source",
            "knowledge_search",
            "mutations",
            "reads",
            "root",
            "services",
            "usage_meter",
        },
        "workers": {
            "alerts",
            "call",
            "doorbell",
            "drains",
            "ingestion",
            "meter",
            "narrator",
            "reembedding",
            "relay",
            "restarts",
            "routing",
            "runtime",
            "search_feed",
            "stopping",
            "telemetry",
        },
    }
    for layer, own in infrastructure.items():
        found = {path.stem for path in (TREE / layer).iterdir() if path.suffix == ".py" or path.is_dir()}
        strange = {name for name in found - rooms - own if not name.startswith("__")}
        assert strange == set(), layer
