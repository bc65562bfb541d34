"""The command line: quick, clear about what it lacks, and of this tree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from app.cli import COMMANDS
from tests.app.processes import TREE


def run(*words: str, cwd: Path = TREE, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env={**kept, **env}, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_help_names_every_command() -> None:
    done = run("-m", "app", "--help")
    assert done.returncode == 0
    assert [name for name in COMMANDS if not re.search(rf"\n    {name}\s", done.stdout)] == []


def test_the_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from app.cli import parser; parser().format_help();"
        "print([name for name in ('pydantic', 'sqlalchemy', 'strawberry', 'redis', 'uvicorn') if name in sys.modules])"
    )
    assert run("-c", program).stdout == "[]\n"


def test_a_command_says_what_it_needs() -> None:
    done = run("-m", "app", "serve")
    assert done.returncode == 2
    assert done.stderr == (
        "fabula: serve needs DATABASE_APP_URL, or DATABASE_URL and FABULA_APP_PASSWORD; REDIS_URL; FABULA_SECRET; "
        "`python -m app up` sets all of it by itself\n"
    )


def test_a_value_that_cannot_be_used_is_named() -> None:
    done = run("-m", "app", "serve", FABULA_LEASE_S="soon")
    assert done.returncode == 2
    assert "FABULA_LEASE_S: Input should be a valid number" in done.stderr


def test_a_package_from_elsewhere_with_the_name_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "__init__.py").touch()
    done = run("-m", "app", "--help", cwd=tmp_path, PYTHONPATH=str(TREE))
    assert done.returncode == 2
    assert f"  schema: {tmp_path}/schema/__init__.py\n" in done.stderr
    assert done.stdout == ""
