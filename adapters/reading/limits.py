"""What reading one document may take."""

from __future__ import annotations

import resource

MEMORY_BYTES = 1536 * 1024 * 1024
"""Of address space: what is mapped, not what is used, which is less than half of it."""
CPU_S = 90
WALL_S = 150.0
RESULT_BYTES_MAX = 160 * 1024 * 1024
"""Ten million characters in UTF-8, as JSON, and the places of their chunks."""
UNPACKED_BYTES_MAX = 256 * 1024 * 1024
"""Of all parts of a zip that are read."""
PART_BYTES_MAX = 96 * 1024 * 1024
ENTRIES_MAX = 10_000
MARKUP_BYTES_MAX = 32 * 1024 * 1024
"""Of one HTML page: its reader looks at every character in Python."""
PAGES_MAX = 5_000


def bind() -> None:
    """Hold this process to them, for good."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (most, most))
