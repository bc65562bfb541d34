"""Other projects' sources and what their suites need, into a directory that is never committed.

Source distributions come from the index that pip is set up with; a repository from the address in its package's own
metadata. Raises Unavailable with what could not be had.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import ssl
import subprocess
import sys
import tarfile
import urllib.request
from importlib import metadata
from pathlib import Path
from urllib.parse import urldefrag, urljoin

TIMEOUT_S = 120
SIMPLE = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"


class Unavailable(Exception):
    """Something that a suite needs cannot be had."""


def source_distribution(project: str, version: str, into: Path) -> Path:
    """The unpacked sources of a release."""
    name = f"{project.replace('-', '_')}-{version}"
    target = into / name
    if target.is_dir():
        return target
    into.mkdir(parents=True, exist_ok=True)
    archive = into / f"{name}.tar.gz"
    archive.write_bytes(_released(project, version))
    unpacked = into / f".{name}"
    with tarfile.open(archive) as opened:
        opened.extractall(unpacked, filter="data")
    [inner] = unpacked.iterdir()
    inner.rename(target)
    unpacked.rmdir()
    archive.unlink()
    return target


def _released(project: str, version: str) -> bytes:
    wanted = {f"{stem}-{version}.tar.gz" for stem in (project, project.replace("-", "_"))}
    silent = []
    for index in _indexes():
        page = f"{index.rstrip('/')}/{project}/"
        try:
            links = _links(page)
        except OSError as error:
            silent.append(str(error))
            continue
        for url, digest in links:
            if url.rsplit("/", 1)[-1] in wanted:
                content = _get(url)
                if digest and hashlib.sha256(content).hexdigest() != digest:
                    raise Unavailable(f"{project} {version}: not what its index says it is")
                return content
    raise Unavailable(f"{project} {version}: no index of pip's has its sources {silent or ''}")


def _indexes() -> list[str]:
    """Those pip asks, its default last. Neither pip's settings nor its default are known to anyone but pip."""
    asked = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    default = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=False).stdout
    found = [_setting("index-url"), *_setting("extra-index-url").split(), default.strip()]
    return [one for one in dict.fromkeys(found) if one]


def _setting(name: str) -> str:
    asked = [sys.executable, "-m", "pip", "config", "get", f"global.{name}"]
    given = os.environ.get(f"PIP_{name.upper().replace('-', '_')}")
    return given or subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _links(page: str) -> list[tuple[str, str]]:
    """(address, SHA-256 or nothing) of each file of a project's page, as JSON or as HTML."""
    text = _get(page).decode()
    if text.lstrip().startswith("{"):
        files = json.loads(text)["files"]
        return [(urljoin(page, one["url"]), one.get("hashes", {}).get("sha256", "")) for one in files]
    links = [urldefrag(urljoin(page, html.unescape(link))) for link in re.findall(r'href="([^"]+)"', text)]
    return [(link.url, link.fragment.removeprefix("sha256=")) for link in links]


def _get(url: str) -> bytes:
    certificates = _setting("cert") or None
    request = urllib.request.Request(url, headers={"Accept": SIMPLE})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=_tls(certificates)) as answer:
        content: bytes = answer.read()
    return content


def _tls(certificates: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates if certificates and Path(certificates).is_file() else None)


def repository(package: str, version: str, into: Path) -> Path:
    """The repository of an installed package, at the tag of a version."""
    target = into / f"{package}-{version}"
    if target.is_dir():
        return target
    addresses = dict(
        one.lower().split(", ", 1) for one in metadata.metadata(package).get_all("Project-URL") or () if ", " in one
    )
    if "repository" not in addresses:
        raise Unavailable(f"{package}: its metadata names no repository")
    into.mkdir(parents=True, exist_ok=True)
    clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", version, addresses["repository"], str(target)]
    done = subprocess.run(
        clone, env={**os.environ, "GIT_TERMINAL_PROMPT": "0"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unavailable(f"{package} {version}: its repository cannot be cloned: {done.stderr.strip()}")
    return target


def environment(into: Path, packages: list[str], bare: list[str]) -> Path:
    """The Python of an environment with these packages, and with the bare ones without their dependencies."""
    python, made = into / "bin" / "python", into / "made-of.json"
    wanted = json.dumps([packages, bare])
    if made.is_file() and made.read_text("utf-8") == wanted:
        return python
    _run([sys.executable, "-m", "venv", "--clear", str(into)])
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*install, *packages])
    _run([*install, "--no-deps", *bare])
    made.write_text(wanted, "utf-8")
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command[:5])} ...: {done.stderr.strip()[-2_000:]}")
