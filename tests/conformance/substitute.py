"""A pytest plugin: runs somebody else's test suite with the compiled executor in place of graphql-core's.

Counts the operations that were executed, and those of which every selection set was compiled, into the file that
CONFORMANCE_COUNTS names.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from graphql import OperationType
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental
from graphql.execution.incremental import IncrementalExecutor

from app.graphql.compiled import Compiled

COUNTS: Counter[str] = Counter()


class Counted(Compiled):
    """From the first run on: a test runs an operation once."""

    compile_after = 0

    def execute_operation(self, serially: bool | None = None) -> Any:
        result = super().execute_operation(serially)
        kind = self.operation.operation
        COUNTS[kind.value] += 1
        if kind is OperationType.QUERY:
            COUNTS["compiled" if self.plan is not None else "fallen back"] += 1
        return result


class Throwing(Counted, ExecutorThrowingOnIncremental):
    pass


class Incremental(Counted, IncrementalExecutor):
    pass


def _substitute(module: Any, stock: type, ours: type) -> None:
    for name, value in list(vars(module).items()):
        if value is stock:
            setattr(module, name, ours)


def pytest_configure() -> None:
    execution = sys.modules["graphql.execution.execute"]
    _substitute(execution, ExecutorThrowingOnIncremental, Throwing)
    _substitute(execution, IncrementalExecutor, Incremental)
    try:
        from strawberry.schema import schema
    except ImportError:
        return
    stock = schema.StrawberryGraphQLCoreExecutionContext
    ours = type("Context", (Counted, stock), {})
    _substitute(schema, stock, ours)


def pytest_sessionfinish() -> None:
    if path := os.environ.get("CONFORMANCE_COUNTS"):
        Path(path).write_text(json.dumps(COUNTS), encoding="utf-8")
