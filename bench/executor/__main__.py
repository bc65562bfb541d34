"""python -m bench.executor [--rounds N] [--operations N] [--queries computed,...]

How much processor time execution takes: the compiled executor against graphql-core's own, in one process, over the
product's schema, resolvers and context, and real rows. Merges medians into `.fabula/bench.json` and prints a table.
Answers are checked to be equal before anything is measured.

    executor_ms     from `graphql.execute` to its result, every read answered from memory: collecting fields,
                    resolvers with their permissions and metrics, batches or dataloaders, completing values
    operation_ms    the same with its reads sent to PostgreSQL: what SQLAlchemy and asyncpg cost this process is in it

Both are `time.process_time` an operation, user and system, of this process alone. Parsing, validating, planning,
encoding and HTTP are in neither: every operation was parsed once, and has run before. graphql-core's executor is given
the same schema; its batched fields sit behind Strawberry's dataloaders. The two take turns within each round.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import inspect
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from graphql import DocumentNode, ExecutionResult, execute, parse

from app import telemetry
from app.graphql.compiled import CompiledExecutor
from app.serve import GC_ALLOCATIONS
from app.settings import Settings
from app.wiring import Api, build_api
from bench.executor.memory import Remembered
from bench.executor.queries import QUERIES
from bench.executor.stage import Stage, furnished
from bench.streams.__main__ import merge
from bench.streams.stage import servers
from bench.streams.targets import TREE
from resolvers.reads import TenantReads
from schema.context import Context

EXECUTORS: dict[str, Any] = {"compiled": CompiledExecutor, "stock": None}
"""What each target gives to `graphql.execute`; None is graphql-core's own choice."""
WARM = 5

Operation = Callable[[], Awaitable[ExecutionResult]]


def operation(api: Api, stage: Stage, document: DocumentNode, executor: Any, database: Any) -> Operation:
    services = replace(api.services, database=database)

    async def run() -> ExecutionResult:
        reads = TenantReads(database, services.events, stage.actor)
        result = execute(
            api.schema,
            document,
            context_value=Context(stage.actor, reads, services, "bench"),
            variable_values={"ids": stage.ids},
            executor_class=executor,
        )
        return await result if inspect.isawaitable(result) else result

    return run


async def prepared(api: Api, stage: Stage, text: str) -> dict[str, dict[str, Operation]]:
    """For each figure and executor what is to be measured, warm. Raises RuntimeError when answers differ."""
    document, answers = parse(text), []
    operations: dict[str, dict[str, Operation]] = {"executor_ms": {}, "operation_ms": {}}
    for name, executor in EXECUTORS.items():
        memory = Remembered(api.database)
        databases = {"executor_ms": memory, "operation_ms": api.database}
        for figure, database in databases.items():
            run = operations[figure][name] = operation(api, stage, document, executor, database)
            answers.append(await run())
            memory.recording = False
            answers += [await run() for _ in range(WARM)]
    for answer in answers:
        if answer.errors or answer != answers[0]:
            raise RuntimeError(f"the executors do not answer alike: {answer.errors or str(answer.data)[:500]}")
    return operations


async def cpu_ms(run: Operation, times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        await run()
    return (time.process_time() - began) / times * 1000


async def compared(api: Api, stage: Stage, args: argparse.Namespace) -> dict[str, dict[str, dict[str, float]]]:
    """Medians over rounds, in each of which the executors take turns, the first of them in turn."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for query in args.queries:
        operations = await prepared(api, stage, QUERIES[query])
        runs: dict[tuple[str, str], list[float]] = {}
        for turn in range(args.rounds):
            for figure, ways in operations.items():
                for name in sorted(ways, reverse=bool(turn % 2)):
                    runs.setdefault((name, figure), []).append(await cpu_ms(ways[name], args.operations))
        print(f"{query}: {args.rounds} rounds of {args.operations}  load {os.getloadavg()[0]:.2f}", flush=True)
        figures[query] = {
            name: {figure: round(median(runs[name, figure]), 3) for figure in operations}
            | {f"{figure}_to_stock": round(to_stock(runs, name, figure), 2) for figure in operations}
            for name in EXECUTORS
        }
    return figures


def to_stock(runs: dict[tuple[str, str], list[float]], name: str, figure: str) -> float:
    """How many times less than stock; the median over rounds, whose runs had the same machine."""
    return median(stock / own for own, stock in zip(runs[name, figure], runs["stock", figure], strict=True))


def table(figures: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    yield f"{'query':<12} {'executor':<9} {'executor ms':>12} {'operation ms':>13}   CPU to stock"
    for query, ways in figures.items():
        for name, row in ways.items():
            yield (
                f"{query:<12} {name:<9} {row['executor_ms']:>12.3f} {row['operation_ms']:>13.3f}   "
                f"{row['executor_ms_to_stock']:.1f} x, {row['operation_ms_to_stock']:.1f} x"
            )


async def measured(settings: Settings, args: argparse.Namespace) -> dict[str, dict[str, dict[str, float]]]:
    stage = await furnished(settings)
    api = build_api(settings)
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)  # as in the product
    try:
        return await compared(api, stage, args)
    finally:
        await api.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.executor", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--operations", type=int, default=5, help="operations a round")
    parser.add_argument("--queries", type=lambda text: text.split(","), default=list(QUERIES))
    parser.add_argument("--out", type=Path, default=TREE / ".fabula" / "bench.json")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    with servers(args.out.parent / "bench" / "servers") as settings:
        telemetry.configure(telemetry.API, settings)
        figures = asyncio.run(measured(settings, args))
    merge(args.out, "executor", figures)
    print("\n".join(table(figures)))


if __name__ == "__main__":
    main()
