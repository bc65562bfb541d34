"""What the SDK's types promise, asked of mypy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.sdk.conftest import SDK

CONSUMER = Path(__file__).with_name("consumer.py")


def test_the_package_is_strictly_typed_and_a_consumers_mistake_is_the_only_error() -> None:
    wrong = next(n for n, line in enumerate(CONSUMER.read_text().splitlines(), 1) if "# wrong" in line)
    command: list[str | Path] = [
        sys.executable, "-m", "mypy", "--config-file", SDK / "pyproject.toml", "--no-error-summary",
        "--cache-dir", SDK / ".mypy_cache", SDK / "src" / "fabula_client", CONSUMER,
    ]  # fmt: skip
    checked = subprocess.run(
        command, cwd=SDK, env=os.environ | {"MYPYPATH": str(SDK / "src")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    [error] = checked.stdout.splitlines() + checked.stderr.splitlines()
    assert f"consumer.py:{wrong}: error:" in error
    assert 'incompatible type "str"; expected "int | UnsetType | None"' in error
