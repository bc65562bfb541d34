"""Makes src/fabula_client/generated from ../../graphql_schema.graphql, ../operations and the manifest of the client.

The generator needs an older graphql-core than the product does, so it has an environment of its own: .venv beside this
file, made on demand from requirements-codegen.txt. Nothing is done when nothing has changed since the last time.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
FRONTEND = HERE.parent
GENERATED = HERE / "src" / "fabula_client" / "generated"
STAMP = GENERATED / ".made-from"
MANIFEST = FRONTEND / "client" / "persisted-documents.json"
REQUIREMENTS = HERE / "requirements-codegen.txt"
SOURCES = (
    HERE / "pyproject.toml", HERE / "base.py", HERE / "generate.py", REQUIREMENTS, MANIFEST,
    FRONTEND.parent / "graphql_schema.graphql", *sorted((FRONTEND / "operations").glob("*.graphql")),
)  # fmt: skip
OPERATION = re.compile(r"\b(?:query|mutation|subscription) ([A-Z]\w*)")
"""Names of operations begin with a capital, those of fields do not."""


def main() -> None:
    made_from = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()
    if STAMP.exists() and STAMP.read_text() == made_from:
        return
    shutil.rmtree(GENERATED, ignore_errors=True)
    subprocess.run([environment() / "bin" / "ariadne-codegen", "client"], cwd=HERE, check=True, stdout=subprocess.PIPE)
    (GENERATED / "documents.json").write_text(json.dumps(documents(), ensure_ascii=False, indent=1))
    STAMP.write_text(made_from)


def documents() -> dict[str, dict[str, str]]:
    """The manifest by the names of its operations."""
    manifest = json.loads(MANIFEST.read_text("utf-8"))
    return {name_of(text): {"hash": hash_, "text": text} for hash_, text in manifest.items()}


def name_of(text: str) -> str:
    found = OPERATION.search(text)
    if found is None:
        raise SystemExit(f"a document of {MANIFEST.name} has no named operation: {text[:60]}")
    return found[1]


def environment() -> Path:
    """The generator's environment, made when it is not there or its requirements have changed."""
    directory, ready = HERE / ".venv", HERE / ".venv" / "ready"
    wanted = REQUIREMENTS.read_text()
    if not ready.exists() or ready.read_text() != wanted:
        print("Making the environment of the Python SDK's generator ...", file=sys.stderr)
        venv.create(directory, with_pip=True, clear=True)
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r")
        subprocess.run([directory / "bin" / "python", *install, REQUIREMENTS], check=True)
        ready.write_text(wanted)
    return directory


if __name__ == "__main__":
    main()
