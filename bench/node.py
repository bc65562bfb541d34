"""Node peers: their packages, which stay out of the tree."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

COMMAND = ("npm", "install", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
INSTALL_S = 600.0


class Unavailable(Exception):
    """Node or the packages cannot be had. Says why."""


def installed(source: Path, place: Path) -> Path:
    """`place` with the peer's files and its packages. Raises Unavailable."""
    shutil.copytree(source, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    wanted = (source / "package.json").read_text(encoding="utf-8")
    if not shutil.which("node") or not shutil.which("npm"):
        raise Unavailable("there is no Node with npm")
    ready = place / ".installed"
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return place
    try:
        subprocess.run(COMMAND, cwd=place, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.CalledProcessError as error:
        said = [line for line in error.stderr.splitlines() if line.startswith("npm error")]
        raise Unavailable(f"npm cannot install the packages: {'; '.join(said[:3])}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm did not install the packages within {INSTALL_S:.0f} s") from None
    ready.write_text(wanted, encoding="utf-8")
    return place


def node(place: Path) -> str:
    """The packages' own Node where they bring one, otherwise the machine's."""
    own = place / "node_modules" / ".bin" / "node"
    return str(own) if own.exists() else shutil.which("node") or "node"


def available(targets: Sequence[str], peers: Sequence[str], source: Path, place: Path) -> list[str]:
    """The targets that can be started: all of them, and without `peers` where Node or its packages cannot be had."""
    asked = [target for target in targets if target in peers]
    try:
        if asked:
            installed(source, place)
    except Unavailable as reason:
        print(f"left out: {', '.join(asked)}: {reason}", flush=True)
        return [target for target in targets if target not in peers]
    return list(targets)
