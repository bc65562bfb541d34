"""`make conformance`: the suites of graphql-core, graphql-relay and Strawberry, with our executor in place of theirs.

Each suite runs twice, with graphql-core's own executor and with the compiled one, and a test that passes with the first
must pass with the second. Prints a table and writes `.fabula/conformance/report.json`; exits 1 on a regression.

    CONFORMANCE_STRAWBERRY   a directory with Strawberry's repository, where it cannot be cloned
    CONFORMANCE_ARGS         more arguments for Strawberry's pytest
    python -m tests.conformance [suite ...]
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.conformance import fetch

TREE = Path(__file__).resolve().parents[2]
HOME = TREE / ".fabula" / "conformance"
EXPOSED = ("app", "domain", "persistence")
"""Packages of ours that the executor needs. Our `tests` must not be found where theirs is meant."""
PLUGINS = ("outcomes", "substitute")
SUITE_S = 1_800

OURS = ("graphql-core", "strawberry-graphql", "asyncpg", "sqlalchemy", "pytest")
"""Of the versions that we run with."""
THEIRS = [
    "pytest-asyncio", "pytest-benchmark", "pytest-codspeed", "pytest-describe", "pytest-emoji", "pytest-mock",
    "pytest-snapshot", "pytest-timeout", "pytest-xdist", "inline-snapshot", "anyio", "asgiref", "email-validator",
    "fastapi", "freezegun", "httpx", "libcst", "opentelemetry-api", "opentelemetry-sdk", "pydantic", "pygments",
    "python-multipart", "rich", "typer",
]  # fmt: skip
RELAY = ("graphql-relay", "3.2.0")
"""Asks for an older graphql-core, and so is installed without its dependencies."""
ELSEWHERE = (
    "asgi", "benchmarks", "channels", "cli", "codemods", "django", "fastapi", "http", "litestar", "sanic", "tools",
    "typecheckers", "views", "websockets",
)  # fmt: skip
"""Strawberry's tests of web frameworks and of its tools, which execute nothing that others do not."""


@dataclass
class Report:
    suite: str
    passed_stock: int = 0
    passed: int = 0
    compiled: int = 0
    fallen_back: int = 0
    regressed: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)


def core() -> tuple[Path, list[str]]:
    return fetch.source_distribution("graphql-core", metadata.version("graphql-core"), HOME), [
        "--ignore=tests/benchmarks"
    ]


def relay() -> tuple[Path, list[str]]:
    return fetch.source_distribution(*RELAY, HOME), []


def strawberry() -> tuple[Path, list[str]]:
    given = os.environ.get("CONFORMANCE_STRAWBERRY")
    package = "strawberry-graphql"
    source = Path(given) if given else fetch.repository(package, metadata.version(package), HOME)
    ignored = [f"--ignore=tests/{name}" for name in ELSEWHERE]
    more = shlex.split(os.environ.get("CONFORMANCE_ARGS", ""))
    return source, ["-o", "addopts=", "--continue-on-collection-errors", *ignored, *more]


SUITES = {"graphql-core": core, "graphql-relay": relay, "strawberry": strawberry}


def links() -> Path:
    """A directory that has our packages and plugins and nothing else, to be put on a path."""
    made = HOME / "ours"
    made.mkdir(parents=True, exist_ok=True)
    wanted = {name: TREE / name for name in EXPOSED}
    wanted |= {f"conformance_{name}.py": TREE / "tests" / "conformance" / f"{name}.py" for name in PLUGINS}
    for name, target in wanted.items():
        link = made / name
        if not (link.is_symlink() and link.readlink() == target):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    return made


def run(python: Path, source: Path, arguments: list[str], *, ours: bool) -> tuple[dict[str, str], dict[str, int]]:
    """What became of each test, and the counts of executed operations."""
    outcomes, counts = HOME / "outcomes.json", HOME / "counts.json"
    for one in (outcomes, counts):
        one.unlink(missing_ok=True)
    path = os.pathsep.join(filter(None, [str(links()), str(source / "src"), os.environ.get("PYTHONPATH")]))
    environment = {
        **os.environ, "PYTHONPATH": path, "CONFORMANCE_OUTCOMES": str(outcomes), "CONFORMANCE_COUNTS": str(counts),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    plugins = ["-p", "conformance_outcomes", *(["-p", "conformance_substitute"] if ours else [])]
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, *arguments]
    log = HOME / ("ours.log" if ours else "stock.log")
    with log.open("w", encoding="utf-8") as output:
        subprocess.run(
            command, cwd=source, env=environment, stdout=output, stderr=subprocess.STDOUT, timeout=SUITE_S, check=False
        )
    if not outcomes.is_file():
        raise fetch.Unavailable(f"{source.name}: its suite did not run; see {log}")
    said: dict[str, str] = json.loads(outcomes.read_text("utf-8"))
    return said, json.loads(counts.read_text("utf-8")) if counts.is_file() else {}


def compare(name: str, python: Path) -> Report:
    source, arguments = SUITES[name]()
    tests = [*arguments, "tests"]
    stock, _ = run(python, source, tests, ours=False)
    ours, counts = run(python, source, tests, ours=True)
    passing = {test for test, outcome in stock.items() if outcome == "passed"}
    lost = sorted(test for test in passing if ours.get(test) != "passed")
    if lost:  # a test that depends on the clock or on its neighbours may pass when it is asked again
        again, _ = run(python, source, [*arguments, *lost], ours=True)
        lost = [test for test in lost if again.get(test) != "passed"]
    return Report(
        name,
        passed_stock=len(passing),
        passed=sum(outcome == "passed" for outcome in ours.values()),
        compiled=counts.get("compiled", 0),
        fallen_back=counts.get("fallen back", 0),
        regressed=lost,
        repaired=sorted(test for test, outcome in ours.items() if outcome == "passed" and test not in passing),
    )


def table(reports: list[Report]) -> str:
    head = ("suite", "passed", "with ours", "regressed", "compiled", "fallen back")
    rows = [head] + [
        (one.suite, f"{one.passed_stock:,}", f"{one.passed:,}", f"{len(one.regressed):,}", f"{one.compiled:,}",
         f"{one.fallen_back:,}")
        for one in reports
    ]  # fmt: skip
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main(arguments: list[str]) -> int:
    unknown = set(arguments) - SUITES.keys()
    if unknown:
        print(f"There are {', '.join(SUITES)}; not {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    reports: list[Report] = []
    missing = 0
    try:
        ours = [f"{name}=={metadata.version(name)}" for name in OURS]
        python = fetch.environment(HOME / "venv", [*ours, *THEIRS], ["==".join(RELAY)])
    except fetch.Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    for name in arguments or SUITES:
        try:
            reports.append(compare(name, python))
        except (fetch.Unavailable, subprocess.TimeoutExpired) as error:
            print(f"{name}: {error}", file=sys.stderr)
            missing += 1
    written: list[dict[str, Any]] = [asdict(one) for one in reports]
    (HOME / "report.json").write_text(json.dumps(written, indent=1), "utf-8")
    print(table(reports))
    for one in reports:
        for test in one.regressed:
            print(f"regressed: {one.suite}: {test}")
    return 1 if missing or any(one.regressed for one in reports) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
