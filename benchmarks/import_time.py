"""How long `import extagents` and `extagents --help` take: seconds of wall time, best and median of several fresh processes.

Run: python benchmarks/import_time.py [--runs N] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

CASES = {
    "python -c pass": ["-c", "pass"],
    "import extagents": ["-c", "import extagents"],
    "extagents --help": ["-m", "extagents.cli.main", "--help"],
    "import everything public": ["-c", "import extagents; [getattr(extagents, n) for n in extagents.__all__]"],
}
LIMITS = {"import extagents": 0.3, "extagents --help": 0.5}


def seconds(arguments: list[str]) -> float:
    """Wall seconds of one fresh interpreter."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = {}
    for name, arguments in CASES.items():
        times = [seconds(arguments) for _ in range(options.runs)]
        rows[name] = {"best": round(min(times), 3), "median": round(statistics.median(times), 3), "limit": LIMITS.get(name)}
    if options.json:
        print(json.dumps(rows))
        return
    for name, row in rows.items():
        limit = f"   limit {row['limit']} s" if row["limit"] else ""
        print(f"{name:26} best {row['best']:.3f} s   median {row['median']:.3f} s{limit}")


if __name__ == "__main__":
    main()
