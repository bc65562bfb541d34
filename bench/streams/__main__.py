"""python -m bench.streams [--seconds N] [--subscriptions 1,100,500,1000] [--targets ...] [--rate N] [--rounds N]
    [--idle N]

Starts what it compares, one server at a time, with a producer and a client beside it; merges the figures into
`.fabula/bench.json` and prints them as a table.

    delivered_ratio     messages that arrived within a second of the last token, to tokens written
    p50_ms, p99_ms      from a token's writing to its arrival
    cpu_us_per_token    processor time of the server's process for each message delivered
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from bench.node import available
from bench.streams import client, producer
from bench.streams.stage import SUBSCRIPTIONS_PER_CONNECTION, Stage, furnished, servers
from bench.streams.targets import NODE, NODE_PEERS, PATHS, QUERY, TARGETS, TREE, Server, running

LEAD_S = 0.5
SETTLE_S = 4.0
FIGURES = ("delivered_ratio", "p50_ms", "p99_ms", "cpu_us_per_token")


@contextmanager
def watching(target: str, server: Server, stage: Stage, subscriptions: int, cache: Path) -> Iterator[Any]:
    """A client process whose every subscription has begun, and the keys that it watches."""
    chosen = stage.begin(subscriptions)
    ids = [[one.generation_id if target == "fabula" else one.key for one in some] for some in chosen]
    tokens = [author.token for author, _ in zip(stage.authors, chosen, strict=False)]
    plan = client.Plan(server.port, PATHS[target], QUERY, tokens, ids)
    path = cache / "client.json"
    path.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    command = [sys.executable, "-m", "bench.streams.client", str(path)]
    with subprocess.Popen(command, cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the client could not subscribe")
            yield process, [one.key for some in chosen for one in some]
        finally:
            process.kill()


def measured(target: str, stage: Stage, subscriptions: int, rate: int, seconds: float, cache: Path) -> dict[str, float]:
    """One run of one target."""
    with (
        running(target, stage, cache) as server,
        watching(target, server, stage, subscriptions, cache) as (reader, keys),
    ):
        since = time.time() + LEAD_S
        until = since + seconds
        plan = producer.Plan(stage.redis_url, keys, rate, since, seconds)
        with subprocess.Popen(
            [sys.executable, "-m", "bench.streams.producer"], cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        ) as writer:  # fmt: skip
            assert writer.stdin and writer.stdout
            writer.stdin.write(json.dumps(asdict(plan)))
            writer.stdin.close()
            reader.stdin.write(json.dumps({"from": since, "until": until}) + "\n")
            reader.stdin.flush()
            time.sleep(max(0.0, since - time.time()))
            before = server.cpu_s()
            told = json.loads(reader.stdout.readline())
            cpu_s = server.cpu_s() - before
            made = json.loads(writer.stdout.readline())
    if told["errors"]:
        raise RuntimeError(f"{target}: {told['errors']} errors; see the log")
    return {
        "delivered_ratio": round(told["delivered"] / made["appended"], 4),
        "p50_ms": round(told["p50_ms"], 1),
        "p99_ms": round(told["p99_ms"], 1),
        "cpu_us_per_token": round(cpu_s / max(1, told["delivered"]) * 1e6, 1),
        "server_cpu": round(cpu_s / (seconds + client.GRACE_S), 2),
        "client_cpu": round(told["cpu_s"] / (seconds + client.GRACE_S), 2),
        "producer_late_ms": round(made["late_s_max"] * 1000, 1),
    }


def idle(stage: Stage, subscriptions: int, seconds: float, cache: Path) -> dict[str, float]:
    """Memory and processor time of subscriptions on which nothing happens."""
    with running("fabula", stage, cache) as server:
        with watching("fabula", server, stage, SUBSCRIPTIONS_PER_CONNECTION, cache):
            time.sleep(SETTLE_S)
        time.sleep(1.0)
        before = server.rss_bytes()
        with watching("fabula", server, stage, subscriptions, cache):
            time.sleep(SETTLE_S)
            used = server.rss_bytes() - before
            began = server.cpu_s()
            time.sleep(seconds)
            busy_s = server.cpu_s() - began
    return {"kib_each": round(used / 1024 / subscriptions, 2), "cpu_percent": round(100 * busy_s / seconds, 1)}


def merge(path: Path, part: str, figures: dict[str, Any]) -> None:
    """Put figures into the file that all benches share."""
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for key, values in figures.items():
        document.setdefault(part, {}).setdefault(key, {}).update(values)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def table(streams: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    yield f"{'subscriptions':>13}  {'target':<17} {'delivered':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU us/token':>12}  of fabula"
    for count, targets in streams.items():
        own = targets.get("fabula")
        for name, row in targets.items():
            ratio = f"{row['cpu_us_per_token'] / own['cpu_us_per_token']:.1f} x" if own else ""
            yield (
                f"{count:>13}  {name:<17} {row['delivered_ratio']:>9.3f} {row['p50_ms']:>8.1f} {row['p99_ms']:>8.1f} "
                f"{row['cpu_us_per_token']:>12.1f}  {ratio}"
            )


def compared(stage: Stage, args: argparse.Namespace, cache: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Medians over rounds, in each of which the targets take turns."""
    streams: dict[str, dict[str, dict[str, float]]] = {}
    for subscriptions in args.subscriptions:
        runs: dict[str, list[dict[str, float]]] = {target: [] for target in args.targets}
        for _ in range(args.rounds):
            for target in args.targets:
                runs[target].append(measured(target, stage, subscriptions, args.rate, args.seconds, cache))
                print(f"{subscriptions} {target}: {runs[target][-1]}  load {os.getloadavg()[0]:.2f}", flush=True)
        streams[str(subscriptions)] = {
            target: {figure: median(run[figure] for run in some) for figure in FIGURES}
            for target, some in runs.items()
            if some
        }
    return streams


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--subscriptions", type=lambda text: [int(one) for one in text.split(",")],
                        default=[1, 100, 500, 1000])  # fmt: skip
    parser.add_argument("--targets", type=lambda text: text.split(","), default=list(TARGETS))
    parser.add_argument("--rate", type=int, default=50, help="tokens a second of each subscription")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--idle", type=int, default=10_000, help="idle subscriptions to weigh; 0 for none")
    parser.add_argument("--out", type=Path, default=TREE / ".fabula" / "bench.json")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    cache = args.out.parent / "bench"
    args.targets = available(args.targets, NODE_PEERS, NODE, cache / "node")
    most = max([*args.subscriptions, args.idle, SUBSCRIPTIONS_PER_CONNECTION])
    with servers(cache / "servers") as settings:
        stage = asyncio.run(furnished(settings, -(-most // SUBSCRIPTIONS_PER_CONNECTION)))
        streams = compared(stage, args, cache)
        merge(args.out, "streams", streams)
        print("\n".join(table(streams)))
        if args.idle:
            figures = idle(stage, args.idle, args.seconds, cache)
            merge(args.out, "idle", {str(args.idle): {"fabula": figures}})
            print(f"{args.idle} idle subscriptions: {figures['kib_each']} KiB each, {figures['cpu_percent']} % CPU")


if __name__ == "__main__":
    main()
