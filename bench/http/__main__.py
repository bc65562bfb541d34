"""python -m bench.http [--seconds N] [--queries projects,...] [--targets ...] [--rounds N] [--connections N]

Starts what it compares, one server process each, side by side, and lets them take turns; merges every round into
`.fabula/bench.json` and prints medians, of figures and of the rounds' ratios, as a table. Answers are checked to be
equal before anything is measured. Python targets stand behind the product's walls; those on Node have a table of tokens instead, and are left out where
Node or its packages cannot be had.

    rps                   answered requests a second
    p50_ms, p99_ms        from a request's sending to its answer's last byte
    cpu_ms_per_request    processor time of the server's process; PostgreSQL's is not in it
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.http import load
from bench.http.answers import checked
from bench.http.queries import QUERIES, document_id
from bench.http.stage import Stage, furnished
from bench.http.table import Rounds, table
from bench.http.targets import NODE, NODE_PEERS, TARGETS, answers, node_packages, nodes, running
from bench.node import available
from bench.streams.__main__ import merge
from bench.streams.stage import servers
from bench.streams.targets import TREE, Server

WARM_S = 1.5
"""A target is asked for so long about each tenant before it is measured."""


def plan(target: str, query: str, server: Server, stage: Stage, connections: int, seconds: float) -> load.Plan:
    """The two tenants in rotation."""
    text = QUERIES[query]
    asked: dict[str, Any] = {"documentId": document_id(text)} if target == "fabula" else {"query": text}
    ids = nodes(target, stage)
    bodies = [json.dumps({**asked, "variables": {"id": node}} if query == "node" else asked) for node in ids]
    return load.Plan(server.port, "/graphql", [one.token for one in stage.authors], bodies, connections, seconds)


def single(asked: load.Plan, author: int) -> load.Plan:
    """The same of one tenant alone."""
    return replace(asked, tokens=[asked.tokens[author]], bodies=[asked.bodies[author]])


def run(asked: load.Plan) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.http.load"]
    done = subprocess.run(
        command, cwd=TREE, input=json.dumps(asdict(asked)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def measured(asked: load.Plan, server: Server) -> dict[str, float]:
    before = server.cpu_s()
    told = run(asked)
    cpu_s = server.cpu_s() - before
    return {
        "rps": round(told["requests"] / told["seconds"], 1),
        "p50_ms": round(told["p50_ms"], 2),
        "p99_ms": round(told["p99_ms"], 2),
        "cpu_ms_per_request": round(cpu_s / told["requests"] * 1000, 3),
    }


def compared(stage: Stage, args: argparse.Namespace, cache: Path) -> dict[str, dict[str, Rounds]]:
    """The rounds, in each of which the targets take turns."""
    figures: dict[str, dict[str, Rounds]] = {}
    with ExitStack() as started:
        running_servers = {target: started.enter_context(running(target, stage, cache)) for target in args.targets}
        for query in args.queries:
            asking = {target: server for target, server in running_servers.items() if answers(target, query)}
            if not asking:
                continue
            for author in range(len(stage.authors)):
                checked({target: run(single(plan(target, query, server, stage, args.connections, WARM_S), author))["last"]
                         for target, server in asking.items()})  # fmt: skip
            runs: dict[str, Rounds] = {target: [] for target in asking}
            for _ in range(args.rounds):
                for target, server in asking.items():
                    asked = plan(target, query, server, stage, args.connections, args.seconds)
                    runs[target].append(measured(asked, server))
                    print(f"{query} {target}: {runs[target][-1]}  load {os.getloadavg()[0]:.2f}", flush=True)
            figures[query] = runs
    return figures


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.http", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--queries", type=lambda text: text.split(","), default=list(QUERIES))
    parser.add_argument("--targets", type=lambda text: text.split(","), default=list(TARGETS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--out", type=Path, default=TREE / ".fabula" / "bench.json")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    cache = args.out.parent / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    args.targets = available(args.targets, NODE_PEERS, NODE, node_packages(cache))
    with servers(cache / "servers") as settings:
        stage = asyncio.run(furnished(settings))
        figures = compared(stage, args, cache)
    merge(args.out, "http", figures)
    print("\n".join(table(figures)))


if __name__ == "__main__":
    main()
