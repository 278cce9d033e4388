"""Our loop beside the published ones, on the same inputs and the same simulated model: accuracy, calls, tokens, time.

    python benchmarks/published_loops.py --tools SIMULATOR_DIR --data DIR [--data DIR2] [--profiles P,Q] [--seeds 1,2,3]

SIMULATOR_DIR holds `simllm.py` (an OpenAI-compatible server that imitates a model over known question sets) and `compare.py`
(which runs the published loops, and ours through the command line). Every (profile, seed) has a server of its own; the seed
also draws the questions and the input around them. Shares come with Wilson's 95% intervals, differences with a bootstrap over
paired questions. A failed run is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from scoring import wilson

OURS = (
    "{extagents} ask {{question}} --over {{corpus_dir}} --model openai:simulated --base-url {{base_url}} --window 32768 "
    "--memory memory:// --effort {effort} --concurrency 256 --json --quiet"
)


def serve(tools: Path, data: list[Path], profile: str, seed: int, extra: list[str]) -> tuple[subprocess.Popen[bytes], str]:
    """A simulator on a free port, and its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(tools / "simllm.py"), "--port", str(port), "--profile", profile, "--seed", str(seed)]
    for folder in data:
        command += ["--data", str(folder)]
    server = subprocess.Popen([*command, "--speed", "200", *extra], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.2)
    server.terminate()
    raise SystemExit("the simulator did not start")


def run(options: argparse.Namespace, data: Path, profile: str, seed: int, address: str) -> list[dict[str, Any]]:
    """All loops over one set with one server; a row per question and loop."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        ours = OURS.format(extagents=options.extagents, effort=options.effort)
        command = [sys.executable, str(options.tools / "compare.py"), "--data", str(data), "--sim", address]
        command += ["--questions", str(options.questions), "--tokens", str(options.tokens), "--seed", str(seed)]
        command += ["--loops", options.loops, "--parallel", "2", "--external", ours, "--json", str(out)]
        environment = {**os.environ, "EXTAGENTS_CACHE": f"{folder}/cache", "EXTAGENTS_DATA": f"{folder}/data"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        rows: list[dict[str, Any]] = json.loads(out.read_text())["runs"]
    for row in rows:
        row.update(data=data.name, profile=profile, seed=seed, loop="ours" if row["loop"] == "external" else row["loop"])
    return rows


def difference(ours: dict[Any, float], theirs: dict[Any, float]) -> tuple[float, float, float]:
    """Mean paired difference and its 95% interval by bootstrap over questions."""
    pairs = [ours[key] - theirs[key] for key in ours if key in theirs]
    rng = random.Random(1)
    means = sorted(statistics.fmean(rng.choices(pairs, k=len(pairs))) for _ in range(2000))
    return statistics.fmean(pairs), means[50], means[1949]


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line per (set, profile, loop), seeds pooled."""
    lines = []
    for data, profile in sorted({(row["data"], row["profile"]) for row in rows}):
        here = [row for row in rows if (row["data"], row["profile"]) == (data, profile)]
        mine = {(r["seed"], r["question"]): r["contained"] for r in here if r["loop"] == "ours"}
        for loop in sorted({row["loop"] for row in here}, key=lambda name: (name != "ours", name)):
            part = [row for row in here if row["loop"] == loop]
            n, size = len(part), sum(row["input_tokens"] for row in part)
            right = statistics.fmean(row["contained"] for row in part)
            theirs = {(r["seed"], r["question"]): r["contained"] for r in part}
            mean, low, high = difference(mine, theirs)
            lines.append(
                {
                    "data": data,
                    "profile": profile,
                    "loop": loop,
                    "runs": n,
                    "accuracy": round(right, 3),
                    "±": round(wilson(right, n), 3),
                    "wrong given": round(statistics.fmean(bool(r["answer"]) and not r["contained"] for r in part), 3),
                    "calls": round(statistics.fmean(r["calls"] for r in part), 1),
                    "prompt ×": round(sum(r["prompt_tokens"] for r in part) / size, 2),
                    "uncached ×": round(sum(r["uncached_tokens"] for r in part) / size, 3),
                    "makespan s": round(statistics.fmean(r["makespan_s"] for r in part), 1),
                    "failed": sum(bool(r["failure"]) for r in part),
                    "ours − theirs": "" if loop == "ours" else f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]",
                }
            )
    return lines


def markdown(lines: list[dict[str, Any]]) -> str:
    heads = list(lines[0])
    rows = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*rows, *("| " + " | ".join(str(line[head]) for head in heads) + " |" for line in lines)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--profiles", default="small,strong")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=128_000)
    parser.add_argument("--effort", default="thorough")
    parser.add_argument("--loops", default="single_pass,map_reduce,extagents,extagents_code,memagent,pi_mem")
    parser.add_argument("--extagents", default=f"{sys.executable} -m extagents")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    everything: list[dict[str, Any]] = []
    for profile in options.profiles.split(","):
        for seed in map(int, options.seeds.split(",")):
            server, address = serve(options.tools, options.data, profile, seed, [])
            try:
                for data in options.data:
                    everything += run(options, data, profile, seed, address)
                    print(f"{data.name}, {profile}, seed {seed}: done", file=sys.stderr, flush=True)
            finally:
                server.terminate()
                server.wait()
            if options.json:
                options.json.write_text(
                    json.dumps({"table": table(everything), "runs": everything}, indent=1, ensure_ascii=False)
                )
    print(markdown(table(everything)))
