"""`python -m app up`: PostgreSQL, Valkey, API, workers and relay on one machine, as one thing."""

from __future__ import annotations

import argparse
import sys

from app.embedded import EmbeddedError
from app.settings import Settings
from app.supervisor.children import PRODUCT, Programs
from app.supervisor.run import GaveUp, SetupFailed, Supervisor, SupervisorError, UpOptions

__all__ = ["PRODUCT", "GaveUp", "Programs", "SetupFailed", "Supervisor", "SupervisorError", "UpOptions", "main"]


def main(settings: Settings, args: argparse.Namespace, programs: Programs = PRODUCT) -> int:
    """Run until a signal asks to stop; 1 when it cannot."""
    data_dir = (args.data_dir or settings.data_dir).absolute()
    options = UpOptions(
        data_dir=data_dir,
        ready_file=(args.ready_file or data_dir / "ready.json").absolute(),
        port=settings.port if args.port is None else args.port,
        workers=args.workers,
        demo=args.demo,
    )
    try:
        Supervisor(options, settings, programs=programs).run()
    except (SupervisorError, EmbeddedError, OSError) as error:
        print(f"fabula: {error}", file=sys.stderr)
        return 1
    return 0
