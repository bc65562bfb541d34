"""`prices import`: an operator's price list, all of it or nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app import prices
from app.cli import parser
from app.settings import Settings
from persistence.database import Database


async def run(settings: Settings, path: Path) -> int:
    args = parser().parse_args(["prices", "import", str(path)])
    return await asyncio.to_thread(prices.main, settings, args)


async def test_a_list_is_imported_once(
    settings: Settings, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- {model: from-a-file, input: 1, output: 2}\n- {model: another, input: 1, output: 2}\n")
    assert [await run(settings, path), await run(settings, path)] == [0, 0]
    assert capsys.readouterr().out == "2 new, 0 as they were\n0 new, 2 as they were\n"
    rows = await database.platform_rows(text("select 1 from app.prices where model = 'from-a-file'"))
    assert len(rows) == 1


async def test_every_bad_row_is_named_and_nothing_is_imported(
    settings: Settings, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.json"
    path.write_text('[{"model": "good", "input": 1, "output": 2}, {"model": "bad"}, {"input": 1, "output": -1}]')
    assert await run(settings, path) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"fabula: nothing was imported from {path}", "Row 2 (bad): input is missing.",
        "Row 3: output lies outside of 0 to 1,000,000.",
    ]  # fmt: skip
    assert await database.platform_rows(text("select 1 from app.prices where model = 'good'")) == []


@pytest.mark.parametrize("content", [None, b"\xff", b"a: ["])
async def test_a_file_that_cannot_be_read_says_so(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "list.yaml"
    if content is not None:
        path.write_bytes(content)
    assert await run(settings, path) == 1
    assert capsys.readouterr().err.startswith("fabula: ")


async def test_without_a_database_it_says_what_it_needs(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = settings.model_copy(
        update={"database_url": SecretStr(""), "database_app_url": SecretStr(""), "data_dir": tmp_path}
    )
    assert await run(nowhere, tmp_path / "list.yaml") == 2
    assert "prices needs DATABASE_APP_URL" in capsys.readouterr().err
