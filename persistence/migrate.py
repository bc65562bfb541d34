"""Bring a database to the newest schema and give its roles their passwords. Safe to run by many at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from persistence.database import create_engine

_LOCK = 7_202_611_220_001
_SCRIPTS = Path(__file__).resolve().parent.parent / "migrations"


async def migrate(url: str, *, app_password: str, relay_password: str) -> None:
    """`url` is the migrator's. An empty password leaves that role as it is."""
    engine = create_engine(url, pool_size=0, application="fabula-migrate")
    try:
        async with engine.connect() as connection:
            await connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
            await connection.commit()
            await connection.run_sync(_upgrade)
            for role, password in (("fabula_app", app_password), ("fabula_relay", relay_password)):
                if password:
                    quoted = password.replace("'", "''")
                    await connection.execute(text(f"alter role {role} login password '{quoted}'"))
            await connection.commit()
    finally:
        await engine.dispose()


def config(connection: Connection) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(_SCRIPTS))
    settings.attributes["connection"] = connection
    return settings


def _upgrade(connection: Connection) -> None:
    command.upgrade(config(connection), "head")
