"""Compiled execution: graphql-core's executor with its inner loop written for each operation.

A selection set is turned into a Python function once and used ever after. The function does what `Executor` does for
the same fields, in the same order, and leaves to `Executor` itself every value that is not of the expected class: so
there is nothing to run again, and errors, nulls and awaitables mean what they mean to graphql-core.
"""

from app.graphql.compiled.executor import Compiled, CompiledExecutor
from app.graphql.compiled.plan import Plans

__all__ = ["Compiled", "CompiledExecutor", "Plans"]
