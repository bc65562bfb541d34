"""python -m bench.tracing [--seconds N] [--queries projects,...] [--targets ...] [--rounds N] [--connections N]

What traces cost: the product started once for each target on the same rows. Merges medians into `.fabula/bench.json`
and prints them as a table.

    off     FABULA_OTLP unset: nothing is sampled, as the product is started without settings
    on      a tenth of the traces goes over OTLP/HTTP to a sink on loopback, a process of its own
    none    OpenTelemetry's SDK disabled altogether, metrics too

In a round all targets are asked at the same time, so that whatever else the machine does is a burden to each alike.
`cpu_ms_per_request` is processor time of the server's process, the exporter's thread included: after each round the
servers are left alone until their last spans are sent. `to_off` is that divided by the same round's `off`: the median,
the quarter and the three quarters of the rounds. The sink's count says that a tenth of the requests really was traced.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from unittest.mock import patch
from urllib.request import urlopen

from app.embedded.process import end, open_log, pick_port, spawn, tail
from app.settings import environment_with
from bench.http.__main__ import WARM_S, plan, run
from bench.http.stage import Stage, furnished
from bench.http.targets import running
from bench.streams.__main__ import merge
from bench.streams.stage import servers
from bench.streams.targets import TREE, Server, wait_for

SENT_AFTER_S = 5.5
"""The exporter sends what it has every 5 s, so that every round pays for its own exports."""
RATIO = 0.1
TARGETS = ("off", "on", "none")


@dataclass(frozen=True)
class Sink:
    port: int

    def spans(self) -> int:
        with urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            return int(answer.read())


@contextmanager
def listening(cache: Path) -> Iterator[Sink]:
    port = pick_port()
    log = cache / "sink.log"
    with open_log(log) as output:
        since = output.tell()
        process = spawn([sys.executable, "-m", "bench.tracing.sink", str(port)], cwd=TREE, env=environment_with({}),
                        output=output, death_signal=signal.SIGKILL)  # fmt: skip
        try:
            wait_for(process, port, lambda: tail(log, since=since))
            yield Sink(port)
        finally:
            end([(process, signal.SIGTERM)], 10.0)


def told(target: str, sink: Sink) -> dict[str, str]:
    """What a target finds in its environment."""
    match target:
        case "on":
            return {
                "FABULA_OTLP": "1",
                "FABULA_TRACE_RATIO": str(RATIO),
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.port}",
            }
        case "none":
            return {"OTEL_SDK_DISABLED": "true"}
        case _:
            return {"FABULA_OTLP": "0"}


def cpu_ns(server: Server) -> int:
    """Processor time of all threads of a server, finer than its `cpu_s`."""
    tasks = Path(f"/proc/{server.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks)


def measured(
    query: str, product: dict[str, Server], stage: Stage, connections: int, seconds: float
) -> dict[str, tuple[float, int]]:
    """Of each target milliseconds of processor time a request, and how many there were."""
    plans = [plan("fabula", query, server, stage, connections, seconds) for server in product.values()]
    before = [cpu_ns(server) for server in product.values()]
    with ThreadPoolExecutor(len(plans)) as pool:
        requests = [said["requests"] for said in pool.map(run, plans)]
    time.sleep(SENT_AFTER_S)
    spent = [cpu_ns(server) - was for server, was in zip(product.values(), before, strict=True)]
    return {target: (ns / count / 1e6, count) for target, ns, count in zip(product, spent, requests, strict=True)}


def compared(stage: Stage, args: argparse.Namespace, cache: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Medians over rounds."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    with ExitStack() as started:
        sink = started.enter_context(listening(cache))
        product: dict[str, Server] = {}
        for target in args.targets:
            with patch.dict(os.environ, told(target, sink)):
                product[target] = started.enter_context(running("fabula", stage, cache))
        for query in args.queries:
            measured(query, product, stage, args.connections, WARM_S)
            runs: dict[str, list[float]] = {target: [] for target in args.targets}
            traced, asked = sink.spans(), 0
            for _ in range(args.rounds):
                for target, (cpu_ms, requests) in measured(
                    query, product, stage, args.connections, args.seconds
                ).items():
                    runs[target].append(cpu_ms)
                    asked += requests if target == "on" else 0
                latest = ", ".join(f"{target} {some[-1]:.4f}" for target, some in runs.items())
                print(f"{query}: {latest}  load {os.getloadavg()[0]:.2f}", flush=True)
            figures[query] = {target: summary(some, runs["off"]) for target, some in runs.items()}
            if "on" in product:
                figures[query]["on"]["traced_ratio"] = sampled(sink.spans() - traced, asked)
    return figures


def sampled(spans: int, requests: int) -> float:
    """Which part of the requests was traced. Raises RuntimeError when that is not what was asked for."""
    part = spans / requests
    if not RATIO / 2 < part < RATIO * 2:
        raise RuntimeError(f"{spans} spans of {requests} requests came to the sink")
    return round(part, 4)


def summary(runs: list[float], off: list[float]) -> dict[str, float]:
    ratios = [own / other for own, other in zip(runs, off, strict=True)]
    low, _, high = quantiles(ratios, n=4)
    return {
        "cpu_ms_per_request": round(median(runs), 4),
        "to_off": round(median(ratios), 4), "to_off_low": round(low, 4), "to_off_high": round(high, 4),
    }  # fmt: skip


def table(figures: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    yield f"{'query':<9} {'target':<7} {'CPU ms':>8}   to off, half of the rounds between"
    for query, targets in figures.items():
        for target, row in targets.items():
            yield (
                f"{query:<9} {target:<7} {row['cpu_ms_per_request']:>8.4f}   "
                f"{row['to_off']:.3f}, {row['to_off_low']:.3f} to {row['to_off_high']:.3f}"
            )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.tracing", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--queries", type=lambda text: text.split(","), default=["projects", "computed"])
    parser.add_argument("--targets", type=lambda text: text.split(","), default=list(TARGETS))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--out", type=Path, default=TREE / ".fabula" / "bench.json")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    cache = args.out.parent / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    with servers(cache / "servers") as settings:
        stage = asyncio.run(furnished(settings))
        figures = compared(stage, args, cache)
    merge(args.out, "tracing", figures)
    print("\n".join(table(figures)))


if __name__ == "__main__":
    main()
