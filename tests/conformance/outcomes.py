"""A pytest plugin: writes what became of each test into the file that CONFORMANCE_OUTCOMES names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

OUTCOMES: dict[str, str] = {}


def pytest_runtest_logreport(report: Any) -> None:
    """A test has failed when any of its phases has; skipped when its set-up was."""
    known = OUTCOMES.get(report.nodeid, "passed")
    if report.outcome != "passed" and known != "failed":
        OUTCOMES[report.nodeid] = "failed" if report.failed else "skipped"
    elif report.when == "call":
        OUTCOMES.setdefault(report.nodeid, "passed")


def pytest_collectreport(report: Any) -> None:
    if report.failed:
        OUTCOMES[report.nodeid] = "failed"


def pytest_sessionfinish() -> None:
    Path(os.environ["CONFORMANCE_OUTCOMES"]).write_text(json.dumps(OUTCOMES), encoding="utf-8")
