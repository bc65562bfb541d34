"""`python -m app COMMAND`, from the tree it stands in."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_LAYERS = ("app", "resolvers", "workers", "schema", "persistence", "adapters", "domain")


def strangers(tree: Path) -> dict[str, str]:
    """Our top-level names that the import system would take from outside the tree, each with its place.

    The package index has a `schema`, for one; a program that half runs on it fails far from the cause.
    """
    found = {}
    for name in _LAYERS:
        spec = importlib.util.find_spec(name)
        if spec is None:
            found[name] = "nowhere"
            continue
        places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
        if not places or not Path(str(places[0])).resolve().is_relative_to(tree):
            found[name] = str(places[0]) if places else "nowhere"
    return found


def _main() -> int:
    tree = Path(__file__).resolve().parents[1]
    if wrong := strangers(tree):
        listed = "\n".join(f"  {name}: {place}" for name, place in wrong.items())
        print(
            f"fabula: these packages are not taken from {tree}:\n{listed}\n"
            f"Run it from the tree (cd {tree} && python -m app ...), without PYTHONPATH.",
            file=sys.stderr,
        )
        return 2
    from app.cli import main  # only once the names are known to be ours

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(_main())
