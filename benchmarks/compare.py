"""Our loop beside the published ones, on the same questions and inputs, against the same simulated model.

    python benchmarks/compare.py --tools SIMULATOR_DIR --data DIR [--data DIR2] --json OUT.jsonl

SIMULATOR_DIR holds `simllm.py`. Sets are stretched to --tokens with their own documents and --padding; --long writes the gold
passages into chapters of the padding's novels instead. OUT gets a line a run; runs that stand there are not run again. The
tables have Wilson's 95% intervals, differences a bootstrap over paired questions (a question's seeds drawn together).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

from measuring import Job, Setting, run_all, variant

from extagents.evaluation import datasets, report
from extagents.evaluation.baselines import LOOPS


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that every comparison has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--tools", type=Path, required=True, help="folder with simllm.py")
    made.add_argument("--data", type=Path, action="append", required=True)
    made.add_argument("--padding", type=Path, action="append", default=[], help="folder whose documents, in pieces, fill up")
    made.add_argument("--long", action="store_true", help="gold passages in chapters of the padding: a few long documents")
    made.add_argument("--crosslingual", action="store_true", help="questions of each language over documents of the other")
    made.add_argument("--tokens", type=int, default=128_000)
    made.add_argument("--profiles", default="small,strong")
    made.add_argument("--seeds", default="1,2,3")
    made.add_argument("--questions", type=int, default=60, help="a set and seed")
    made.add_argument("--kinds", default="", help="only these kinds of question, comma separated")
    made.add_argument(
        "--set", action="append", default=[], metavar="CONSTANT=VALUE", help="overrides one constant of the profile"
    )
    made.add_argument(
        "--shared", action="store_true", help="ours read a Corpus in its own order: one packing for all questions"
    )
    made.add_argument("--shard-tokens", type=int, help="ours read shards of one size")
    made.add_argument("--prefill", type=float, default=20_000, help="tokens a second of the simulated GPU")
    made.add_argument("--slots", type=int, default=256, help="sequences at once of the simulated GPU")
    made.add_argument("--window", type=int, default=32_768)
    made.add_argument("--concurrency", type=int, default=256)
    made.add_argument("--output-tokens", type=int, default=1_024)
    made.add_argument("--parallel", type=int, default=2, help="processes")
    made.add_argument("--timeout", type=float, default=600, help="real seconds of one run")
    made.add_argument("--minutes", type=float, help="start nothing more after so long; run again to go on")
    made.add_argument("--json", type=Path, required=True, help="a line a run; read first")
    made.add_argument("--markdown", type=Path, help="where the report goes beside stdout")
    made.add_argument("--plot", type=Path, help="an SVG: accuracy over uncached tokens")
    return made


def jobs(options: argparse.Namespace, loops: tuple[str, ...], folder: Path) -> tuple[list[Job], Setting]:
    """The runs that the options ask for; derived sets are written into the folder."""
    extra = ["--prefill", str(options.prefill), "--slots", str(options.slots)]
    extra += [part for constant in options.set for part in ("--set", constant)]
    gpu = [f"{name}={value:g}" for name, value, usual in usuals(options) if value != usual]
    packed = ["one packing"] * options.shared + [f"shards={options.shard_tokens}"] * (options.shard_tokens is not None)
    label = " ".join([f"{options.tokens // 1000}K", *options.set, *gpu, *packed])
    setting = Setting(
        tools=options.tools,
        tokens=options.tokens,
        window=options.window,
        concurrency=options.concurrency,
        output_tokens=options.output_tokens,
        timeout=options.timeout,
        padding=() if options.long else tuple(options.padding),
        extra=tuple(extra),
        label=label,
        shared=options.shared,
        shard_tokens=options.shard_tokens,
    )
    kinds = set(filter(None, options.kinds.split(",")))
    made = []
    for seed in map(int, options.seeds.split(",")):
        for data in options.data:
            for path, name, questions in sets(data, seed, kinds, options, folder):
                for question in questions:
                    for profile in options.profiles.split(","):
                        made.append(Job(path, name, profile, seed, question, loops))
    return made, setting


def usuals(options: argparse.Namespace) -> list[tuple[str, float, float]]:
    """What changes a run beside its input: name, value, and the value that a label leaves unsaid."""
    return [
        ("prefill", options.prefill, 20_000),
        ("slots", options.slots, 256),
        ("window", options.window, 32_768),
        ("concurrency", options.concurrency, 256),
    ]


def sets(
    data: Path, seed: int, kinds: set[str], options: argparse.Namespace, folder: Path
) -> list[tuple[Path, str, list[str]]]:
    """The sets to be run for one folder and seed: path, name and the questions drawn."""
    dataset = datasets.load(data)
    wanted = tuple(q for q in dataset.questions if datasets.matchable(q) and (not kinds or q.kind in kinds))
    drawn = random.Random(seed).sample(wanted, min(options.questions, len(wanted)))
    if options.long:
        path = folder / f"{data.name}-long-{seed}"
        novels = [document for padding in options.padding for document in datasets.load(padding).corpus]
        documents, rows = [], []
        for asked in drawn:
            long, row = datasets.in_chapters(asked, dataset, novels, options.tokens, seed=seed)
            documents += long
            rows.append({**row, "documents": [document.id for document in long]})
        datasets.write(path, documents, rows)
        return [(path, f"{data.name} in chapters", [asked.id for asked in drawn])]
    if options.crosslingual:
        made = []
        for language in ("en", "zh"):
            documents, rows = datasets.crosslingual(dataset, language)
            path = folder / f"{data.name}-asked-in-{language}"
            datasets.write(path, documents, rows)
            chosen = random.Random(seed).sample(rows, min(options.questions, len(rows)))
            made.append((path, f"{data.name}, asked in {language}", [row["id"] for row in chosen]))
        return made
    return [(data, data.name, [asked.id for asked in drawn])]


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--loops", default=",".join(LOOPS), help=f"published loops: none, or some of {', '.join(LOOPS)}")
    made.add_argument("--ours", default="thorough/fused", help="EFFORT/STRATEGY, comma separated; the first is compared")
    options = made.parse_args()
    named = [loop for loop in options.loops.split(",") if loop and loop != "none"]
    loops = tuple(options.ours.split(",")) + tuple(named)
    for loop in loops:
        variant(loop)
    conclude(options, loops)


def conclude(options: argparse.Namespace, loops: tuple[str, ...]) -> None:
    """Runs what is missing and prints the report."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, setting = jobs(options, loops, Path(folder))
        rows = run_all(wanted, setting, options.json, parallel=options.parallel, minutes=options.minutes)
    text = report.markdown(rows, ours=loops[0])
    print(text)
    if options.markdown:
        options.markdown.write_text(text + "\n", encoding="utf-8")
        options.markdown.with_suffix(".json").write_text(
            json.dumps(report.tables(rows, ours=loops[0]), indent=1, ensure_ascii=False), encoding="utf-8"
        )
    if options.plot:
        options.plot.write_text(report.plot(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
