"""The Python SDK as its users have it: generated from this tree, imported by its own name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SDK = Path(__file__).resolve().parents[2] / "frontend_codegen" / "python"

# Before the tests are collected, which import it. A second or two when nothing has changed is too much, so the
# generator compares a digest first.
subprocess.run([sys.executable, SDK / "generate.py"], check=True)
sys.path.insert(0, str(SDK / "src"))
