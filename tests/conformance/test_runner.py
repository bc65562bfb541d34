"""The parts of `make conformance` that can be seen to work without other projects' sources."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance import __main__ as runner
from tests.conformance import fetch

SUITE = """
import pytest
def test_good(): pass
def test_bad(): assert {bad}
@pytest.mark.skip
def test_skipped(): pass
@pytest.fixture
def broken(): yield; raise ValueError
def test_with_a_bad_end(broken): pass
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runner, "HOME", tmp_path / "home")
    return tmp_path / "home"


def suite(at: Path, bad: str) -> Path:
    (at / "tests").mkdir(parents=True)
    (at / "tests" / "__init__.py").touch()
    (at / "tests" / "test_it.py").write_text(SUITE.format(bad=bad))
    return at


def test_a_suite_finds_its_own_tests_and_our_executor(tmp_path: Path) -> None:
    source = suite(tmp_path / "theirs", "__import__('app.graphql.compiled') and False")
    said, counts = runner.run(Path(sys.executable), source, ["tests"], ours=True)
    assert said == {
        "tests/test_it.py::test_good": "passed",
        "tests/test_it.py::test_bad": "failed",
        "tests/test_it.py::test_skipped": "skipped",
        "tests/test_it.py::test_with_a_bad_end": "failed",
    }
    assert counts == {}
    looked = subprocess.run(
        [sys.executable, "-c", "import tests; print(tests.__file__)"], cwd=source, capture_output=True, text=True,
        env={"PYTHONPATH": str(runner.links())}, check=True,
    )  # fmt: skip
    assert looked.stdout.strip() == str(source / "tests" / "__init__.py")


def test_what_passed_with_graphql_cores_executor_and_not_with_ours_is_a_regression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = suite(tmp_path / "theirs", "'conformance_substitute' not in __import__('sys').modules")
    monkeypatch.setitem(runner.SUITES, "theirs", lambda: (source, []))
    report = runner.compare("theirs", Path(sys.executable))
    assert (report.passed_stock, report.passed, report.regressed) == (2, 1, ["tests/test_it.py::test_bad"])


def test_an_index_is_read_as_json_and_as_html(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"files": [{"url": "../x-1.tar.gz", "hashes": {"sha256": "ab"}}]}
    for page in (json.dumps(files), '<!DOCTYPE html><a href="../x-1.tar.gz#sha256=ab">x</a>'):
        monkeypatch.setattr(fetch, "_get", lambda _url, page=page: page.encode())
        assert fetch._links("file:///index/x/") == [("file:///index/x-1.tar.gz", "ab")]


def test_what_is_not_what_its_index_says_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_indexes", lambda: ["file:///index"])
    monkeypatch.setattr(fetch, "_links", lambda _page: [("file:///x-1.tar.gz", "ab")])
    monkeypatch.setattr(fetch, "_get", lambda _url: b"other")
    with pytest.raises(fetch.Unavailable, match="not what"):
        fetch._released("x", "1")
    with pytest.raises(fetch.Unavailable, match="no index"):
        fetch._released("y", "1")
