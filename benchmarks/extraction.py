"""How fast documents are read: 1,000 of every kind on 2 cores, beside `markitdown` over the same files in the same run.

    python benchmarks/extraction.py [--documents 1000] [--cores 2] [--markitdown PYTHON] [--folder KEPT] [--json]

PYTHON is an interpreter with `markitdown[all]` (without it, the one that runs this, if it has it; else ours alone). The files
are made first: reports in PDF and Word, slides, workbooks, books, mails with attachments, pages, notebooks, tables, archives,
text, and some that cannot be read (damaged, locked, pictures). Every tool runs in a process of its own, over the same cores;
markitdown as it comes (one file after the other) and with as many processes as there are cores. Then ours again with a cache:
built, unchanged, and with one file of all changed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

WORDS = (
    "the harbour council ships report crane cost year plan water stone bridge north wind town market people river trade road "
    "built under which after during opened first great small new old long of and in to a with for from by was were has had"
).split()
# Kind: share of the files.
SHARES = {
    "pdf": 0.25, "docx": 0.2, "xlsx": 0.1, "pptx": 0.08, "html": 0.1, "eml": 0.06, "md": 0.06, "csv": 0.05, "ipynb": 0.03,
    "epub": 0.02, "zip": 0.02, "bad": 0.03,
}  # fmt: skip
THEIRS = """
import json, sys, time
from concurrent.futures import ProcessPoolExecutor
from markitdown import MarkItDown
tool = None
def read(path):
    global tool
    tool = tool or MarkItDown()
    try:
        return len(tool.convert(path).text_content.strip())
    except Exception:
        return 0
if __name__ == "__main__":
    paths, workers = json.load(open(sys.argv[1])), int(sys.argv[2])
    began = time.perf_counter()
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            sizes = list(pool.map(read, paths, chunksize=4))
    else:
        sizes = [read(path) for path in paths]
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "read": sum(1 for size in sizes if size), "characters": sum(sizes)}))
"""
OURS = """
import json, sys, time
from pathlib import Path
from extagents import Corpus
began = time.perf_counter()
corpus = Corpus.load(sys.argv[1], cache=Path(sys.argv[2]) if sys.argv[2] else False, workers=int(sys.argv[3]))
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "documents": len(corpus), "characters": sum(len(d.text) for d in corpus),
    "unreadable": [item.path for item in corpus.unreadable], "kinds": dict(corpus.kinds),
    "files": sorted({d.id.split("/")[0].split(".")[0] for d in corpus})}))
"""


def prose(chance: random.Random, words: int) -> str:
    """Sentences of that many words in all."""
    said = []
    while words > 0:
        size = chance.randint(8, 20)
        said.append(" ".join(chance.choices(WORDS, k=size)).capitalize() + ".")
        words -= size
    return " ".join(said)


def pdf(chance: random.Random, pages: int) -> bytes:
    """A PDF of 45 lines a page."""
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {pages}/Kids[{' '.join(f'{4 + 2 * n} 0 R' for n in range(pages))}]>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number in range(pages):
        lines = "".join(f"({' '.join(chance.choices(WORDS, k=13))}) Tj 0 -15 Td " for _ in range(45))
        stream = f"BT /F1 11 Tf 50 740 Td {lines}ET"
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>/Contents {5 + 2 * number} 0 R>>"
        )
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
    out, places = "%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{item}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(out)}\n%%EOF"
    return out.encode("latin-1")


def rows(chance: random.Random, count: int) -> list[list[Any]]:
    return [
        ["day", "place", "tons", "cost"],
        *([f"2024-{n % 12 + 1:02}", chance.choice(WORDS), n, n * 1.5] for n in range(count)),
    ]


def make(kind: str, number: int, chance: random.Random) -> tuple[str, bytes]:
    """The suffix and the bytes of one file."""
    from tests.corpus import making

    match kind:
        case "pdf":
            return "pdf", pdf(chance, chance.randint(2, 24))
        case "docx":
            parts = [
                part for n in range(chance.randint(3, 25)) for part in (f"## Part {n}", prose(chance, 150), prose(chance, 120))
            ]
            table = [[str(cell) for cell in row] for row in rows(chance, chance.randint(3, 25))]
            return "docx", making.docx(["# Report", *parts, "- one", "- two"], rows=table, title=f"Report {number}")
        case "xlsx":
            return "xlsx", making.xlsx(
                {f"Sheet {n}": rows(chance, chance.randint(20, 600)) for n in range(chance.randint(1, 4))}
            )
        case "pptx":
            return "pptx", making.pptx(
                [(f"Slide {n}", prose(chance, 60), prose(chance, 40)) for n in range(chance.randint(5, 25))]
            )
        case "html":
            table = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows(chance, 30))
            body = "".join(f"<h2>Part {n}</h2><p>{prose(chance, 200)}</p>" for n in range(chance.randint(3, 20)))
            return (
                "html",
                f"<html><title>Page {number}</title><body><nav>menu</nav>{body}<table>{table}</table></body>".encode(),
            )
        case "eml":
            attached = {"report.docx": making.docx([prose(chance, 300)]), "page.pdf": pdf(chance, 2)} if number % 3 == 0 else {}
            return "eml", making.mail(prose(chance, 200), subject=f"Letter {number}", attached=attached)
        case "md":
            return "md", "\n\n".join(f"# Part {n}\n\n{prose(chance, 200)}" for n in range(10)).encode()
        case "csv":
            return "csv", "\n".join(",".join(map(str, row)) for row in rows(chance, chance.randint(50, 2_000))).encode()
        case "ipynb":
            cells = [
                ("markdown", prose(chance, 80), []),
                ("code", "print(1)\n" * 8, [{"output_type": "stream", "text": "1\n" * 8}]),
            ]
            return "ipynb", making.notebook(*(cells * chance.randint(3, 15)))
        case "epub":
            return "epub", making.epub({f"c{n}": f"<h1>Chapter {n}</h1><p>{prose(chance, 3_000)}</p>" for n in range(15)})
        case "zip":
            inside = {f"{name}.{name}": make(name, number, chance)[1] for name in ("pdf", "docx", "md", "html")}
            return "zip", making.zipped(inside)
    bad = [
        ("pdf", pdf(chance, 2)[:300]),
        ("docx", making.docx(["x"])[:900]),
        ("png", b"\x89PNG"),
        ("doc", b"\xd0\xcf\x11\xe0"),
        ("xlsx", b"PK"),
    ]
    return bad[number % len(bad)]


def fill(folder: Path, documents: int) -> tuple[list[Path], set[str]]:
    """Makes the files; and the names of those that can be read."""
    chance = random.Random(5)
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(share * documents))]
    chance.shuffle(kinds)
    paths, readable = [], set()
    for number, kind in enumerate(kinds):
        suffix, data = make(kind, number, chance)
        path = folder / f"f{number:05}.{suffix}"
        path.write_bytes(data)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        paths.append(path)
        if kind != "bad":
            readable.add(path.stem)
    return paths, readable


def said(command: list[str]) -> dict[str, Any]:
    """What a program prints as JSON."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""}, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--markitdown", metavar="PYTHON", help="an interpreter that has markitdown")
    parser.add_argument("--folder", type=Path, help="where the files are made; a temporary folder if left out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        folder = options.folder or work / "documents"
        folder.mkdir(parents=True, exist_ok=True)
        paths, readable = fill(folder, options.documents)
        (work / "paths.json").write_text(json.dumps([str(path) for path in paths]))
        figures: dict[str, Any] = {
            "files": len(paths),
            "readable": len(readable),
            "megabytes": sum(path.stat().st_size for path in paths) / 1e6,
        }

        def ours(cache: str, workers: int) -> dict[str, Any]:
            return said([sys.executable, "-c", OURS, str(folder), cache, str(workers)])

        first = ours("", options.cores)
        figures["every readable one read"] = readable <= set(first.pop("files"))
        figures["extagents"] = first
        figures["extagents, one process"] = {"seconds": ours("", 0)["seconds"]}
        theirs = options.markitdown or (sys.executable if importlib.util.find_spec("markitdown") else None)
        if theirs:
            (work / "theirs.py").write_text(THEIRS)
            for workers in (1, options.cores):
                name = f"markitdown, {workers} process{'es' if workers > 1 else ''}"
                figures[name] = said([theirs, str(work / "theirs.py"), str(work / "paths.json"), str(workers)])
                figures[name]["ratio"] = figures[name]["seconds"] / first["seconds"]
        cache = str(work / "cache")
        figures["cache built"] = ours(cache, options.cores)["seconds"]
        figures["nothing changed"] = ours(cache, options.cores)["seconds"]
        changed = next(path for path in paths if path.suffix == ".docx")
        changed.write_bytes(make("docx", 1, random.Random(9))[1])
        os.utime(changed, (1_700_000_001, 1_700_000_001))
        time.sleep(0.2)  # a file changed a moment ago counts as unsettled
        figures["one file changed"] = ours(cache, options.cores)["seconds"]
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        if isinstance(value, dict):
            rate = figures["files"] / value["seconds"]
            rest = ", ".join(
                f"{key} {item:,.2f}" if isinstance(item, float) else f"{key} {item}"
                for key, item in value.items()
                if key not in ("unreadable", "kinds", "seconds")
            )
            print(f"{name:28} {value['seconds']:8.2f} s {rate:8.0f} files/s  {rest}")
        else:
            print(f"{name:28} {value:8.2f}" if isinstance(value, float) else f"{name:28} {value}")


if __name__ == "__main__":
    main()
