"""Draws the figures of docs/algorithm.md: python scripts/figures.py; with --check it only says whether they are up to date.

Plain SVG on a card of its own, so that a figure can be read on a light page and on a dark one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "figures"
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2430; text-anchor: middle }
.left { text-anchor: start } .small { font-size: 11px } .soft { fill: #5b6475 } .strong { font-weight: 600 }
.page { fill: #ffffff; stroke: #d5d9e2 }
.box { fill: #eef1f8; stroke: #7a86a8 } .main { fill: #dfe6ff; stroke: #4a5fc1 } .good { fill: #d8f0df; stroke: #2f8a4d }
.warn { fill: #fdebc8; stroke: #b07a12 } .off { fill: #f1f2f4; stroke: #b4bac6 }
.line { fill: none; stroke: #5b6475; stroke-width: 1.4 } .head { fill: #5b6475 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9f0 } .soft { fill: #a4adbf }
  .page { fill: #1c202b; stroke: #3a4152 }
  .box { fill: #2a3040; stroke: #7a86a8 } .main { fill: #2c3876; stroke: #8c9df0 } .good { fill: #1f4a30; stroke: #63c083 }
  .warn { fill: #543f12; stroke: #d7a441 } .off { fill: #242833; stroke: #4c5466 }
  .line { stroke: #a4adbf } .head { fill: #a4adbf }
}
"""


class Drawing:
    """An SVG that grows by boxes, texts and arrows; sizes in pixels."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = (width, height)
        self._title = title
        self._parts: list[str] = []

    def text(self, x: float, y: float, said: str, kind: str = "") -> None:
        self._parts.append(f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(said)}</text>')

    def box(self, x: float, y: float, width: float, height: float, lines: Sequence[str] = (), kind: str = "box") -> None:
        self._parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" class="{kind}"/>')
        first = y + height / 2 + 4.5 - 8 * (len(lines) - 1)
        for number, line in enumerate(lines):
            look = "strong" if number == 0 and len(lines) > 1 else "small" if number else ""
            self.text(x + width / 2, first + 16 * number, line, look)

    def arrow(self, *points: tuple[float, float], both: bool = False) -> None:
        path = "M" + " L".join(f"{x:g},{y:g}" for x, y in points)
        start = ' marker-start="url(#h)"' if both else ""
        self._parts.append(f'<path d="{path}" class="line"{start} marker-end="url(#h)"/>')

    def svg(self) -> str:
        width, height = self._size
        head = (
            '<marker id="h" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
            f'aria-label="{escape(self._title, quote=True)}">\n<title>{escape(self._title)}</title>\n<style>{STYLE}</style>\n'
            f'<defs>{head}<path d="M0,0 L8,4 L0,8 z" class="head"/></marker></defs>\n'
            f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="10" class="page"/>\n'
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )


def graph() -> Drawing:
    """The run's graph."""
    d = Drawing(860, 390, "The graph of a run: plan, one pass or rounds of reading and reasoning, notes, fusion")
    d.box(20, 110, 120, 60, ("plan", "one call"), "main")
    d.box(220, 30, 150, 56, ("single", "what fits the window"))
    d.box(220, 124, 150, 60, ("read", "lanes, shards best first"), "main")
    d.box(440, 124, 150, 60, ("reason", "the ladder"), "main")
    d.box(440, 214, 150, 56, ("remember", "notes from the facts"))
    d.box(220, 214, 150, 56, ("condense", "one pass, compressed"))
    d.box(690, 110, 140, 60, ("fuse", "a call only in doubt"), "good")
    d.box(20, 316, 810, 50, ("memory", "shards, reports, ledger, journal, budget: SQLite or Redis"), "off")
    d.arrow((140, 128), (180, 128), (180, 58), (220, 58))
    d.text(146, 52, "it fits", "small soft")
    d.arrow((140, 152), (220, 152))
    d.arrow((295, 86), (295, 124))
    d.text(338, 109, "unsure", "small soft")
    d.arrow((370, 144), (440, 144))
    d.arrow((440, 166), (370, 166))
    d.text(405, 138, "reports", "small soft")
    d.text(405, 181, "next wave", "small soft")
    d.arrow((370, 58), (730, 58), (730, 110))
    d.text(550, 50, "settled", "small soft")
    d.arrow((590, 144), (690, 144))
    d.text(640, 136, "settled", "small soft")
    d.arrow((515, 184), (515, 214))
    d.text(552, 203, "unsure", "small soft")
    d.arrow((440, 184), (372, 214))
    d.arrow((590, 242), (735, 242), (735, 170))
    d.arrow((295, 270), (295, 290), (785, 290), (785, 170))
    d.arrow((80, 170), (80, 316), both=True)
    d.arrow((190, 316), (190, 172), (218, 172), both=True)
    return d


def waves() -> Drawing:
    """Shards in the order of the index; waves that double; a second round over those that are pointed at."""
    d = Drawing(860, 330, "Waves over shards in the order of the index, and a second round over the shards that are pointed at")
    d.text(24, 34, "Shards, in the order in which they are likely to matter", "left strong")
    x, sizes = 24.0, [30] * 4 + [44] * 4 + [62] * 8
    kinds = ["main"] * 4 + ["box"] * 4 + ["off"] * 8
    middle: list[float] = []
    for size, kind in zip(sizes, kinds, strict=True):
        d.box(x, 54, size - 4, 36, (), kind)
        middle.append(x + (size - 4) / 2)
        x += size
    for first, last, said in ((0, 3, "wave 1: 8K tokens"), (4, 7, "wave 2: 16K"), (8, 15, "wave 3: 32K, and so on")):
        left, right = middle[first] - sizes[first] / 2 + 2, middle[last] + sizes[last] / 2 - 2
        d.arrow((left, 102), (right, 102), both=True)
        d.text((left + right) / 2, 120, said, "small soft")
    d.text(24, 158, "After each wave the ladder judges, and what is left is put in order anew.", "left")
    d.text(
        24,
        178,
        "quick stops after one settled wave, balanced after two; thorough reads all of it in one.",
        "left soft",
    )
    d.text(24, 210, "Round 2", "left strong")
    x = 24.0
    pointed = {1, 6, 11}
    for number, size in enumerate(sizes):
        d.box(x, 238, size - 4, 30, (), "warn" if number in pointed else "off")
        x += size
    for number in pointed:
        d.arrow((middle[number], 222), (middle[number], 237))
    d.text(110, 210, "only what new names and open queries point at, now with the knowledge of the others", "left small soft")
    d.text(
        24,
        300,
        "A round re-reads at most a tenth of the input for this; the third one looks further.",
        "left soft",
    )
    return d


def ladder() -> Drawing:
    """Rungs over the ledger: 1, 2, 4, 8 facts; the smallest that the next repeats."""
    d = Drawing(860, 300, "The ladder: the top 1, 2, 4 and 8 facts are judged at the same time")
    rungs = ((1, "not answerable", "off"), (2, "Oskerby", "good"), (4, "Oskerby", "good"), (8, "Oskerby", "box"))
    d.text(24, 34, "The ledger's facts, best first", "left strong")
    for row, (count, said, kind) in enumerate(rungs):
        y = 56 + row * 44
        d.text(24, y + 21, f"rung of {count}", "left")
        for fact in range(8):
            d.box(120 + fact * 46, y, 40, 30, (str(fact + 1),) if fact < count else (), "main" if fact < count else "off")
        d.arrow((492, y + 15), (548, y + 15))
        d.box(552, y, 150, 30, (said,), kind)
    d.arrow((716, 115), (736, 115), (736, 159), (716, 159))
    d.text(744, 133, "agree:", "left small")
    d.text(744, 149, "the verdict", "left small")
    d.text(
        24,
        256,
        "The rungs run in parallel; each prompt is a prefix of the next, for the server's cache.",
        "left",
    )
    d.text(
        24,
        278,
        "Stable: two neighbours agree. Verified: the answer stands in a quote that was found.",
        "left soft",
    )
    return d


def ledger() -> Drawing:
    """From a reader's words to a fact in the ledger."""
    d = Drawing(860, 280, "A reader's quote is located in its document, or never supports an answer")
    d.box(20, 40, 190, 76, ("a reader reports", "claim, quote,", "relevance"), "main")
    d.box(270, 40, 210, 76, ("the quote is located", "exactly · folded ·", "nearly (90 of 100)"))
    d.box(560, 24, 280, 50, ("verified", "the document's own words at start–end"), "good")
    d.box(560, 90, 280, 50, ("not found", "may guide reading, supports nothing"), "warn")
    d.arrow((210, 78), (270, 78))
    d.arrow((480, 66), (520, 66), (520, 49), (560, 49))
    d.arrow((480, 90), (520, 90), (520, 115), (560, 115))
    d.box(20, 176, 820, 44, ("the ledger", "duplicates merged, best first, never rewritten, cut only to a token budget"), "off")
    d.arrow((640, 140), (640, 176))
    d.arrow((840, 49), (850, 49), (850, 160), (760, 160), (760, 176))
    d.text(24, 252, "An answer's quotes come from here: document.text[start:end] == quote, always.", "left soft")
    return d


def prompt() -> Drawing:
    """What a server's prefix cache sees."""
    d = Drawing(860, 310, "The order of a reader's prompt, and what of it a server's prefix cache has already")
    rows = (
        ("round 1", ("box", "box", "box", "off")),
        ("round 2", ("good", "good", "good", "box")),
        ("next question", ("good", "good", "box", "off")),
    )
    for row, (name, kinds) in enumerate(rows):
        y = 40 + row * 52
        d.text(24, y + 23, name, "left strong")
        x = 140.0
        for part, width, kind in zip(("system", "shard", "question", "knowledge"), (90, 360, 110, 120), kinds, strict=True):
            d.box(x, y, width - 4, 36, (part,), kind)
            x += width
    d.box(130, 208, 22, 16, (), "good")
    d.text(160, 221, "in the cache already", "left small")
    d.box(310, 208, 22, 16, (), "box")
    d.text(340, 221, "computed", "left small")
    d.box(430, 208, 22, 16, (), "off")
    d.text(460, 221, "empty in the first round", "left small")
    d.text(24, 262, "What changes stands last. The published code writes the round's number before the shard:", "left")
    d.text(24, 282, "then nothing after it can be reused, and every round pays for the whole input again.", "left soft")
    return d


def budget() -> Drawing:
    """Reserve, call, settle."""
    d = Drawing(860, 300, "A budget: what a call may cost at most is reserved, then settled")
    parts = (
        (220, "spent", "main"),
        (150, "reserved: in flight", "warn"),
        (270, "free", "off"),
        (160, "kept for the answer", "good"),
    )
    x = 30.0
    for width, said, kind in parts:
        d.box(x, 40, width - 4, 44, (said,), kind)
        x += width
    d.text(30, 106, "0", "left small soft")
    d.text(826, 106, "ceiling", "small soft")
    steps = (
        ("1. reserve", "the most it can cost"),
        ("2. wait", "for a place"),
        ("3. call", "retry, repair"),
        ("4. settle", "what it cost"),
    )
    for number, (name, said) in enumerate(steps):
        d.box(30 + number * 205, 140, 170, 52, (name, said), "main" if number in (0, 3) else "box")
        if number:
            d.arrow((30 + number * 205 - 35, 166), (30 + number * 205, 166))
    d.text(
        30,
        232,
        "Not covered: not started. Broken off, or killed: booked at what was reserved.",
        "left",
    )
    d.text(30, 254, "So the books are never below what the server counts, and the ceiling is never passed.", "left soft")
    return d


FIGURES: dict[str, Callable[[], Drawing]] = {
    "graph": graph,
    "waves": waves,
    "ladder": ladder,
    "ledger": ledger,
    "prompt": prompt,
    "budget": budget,
}


def main() -> int:
    stale = []
    for name, draw in FIGURES.items():
        path, made = FOLDER / f"{name}.svg", draw().svg()
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(made, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != made:
            stale.append(f"{path.name} is not what the script draws: python scripts/figures.py")
    sys.stdout.writelines(f"{line}\n" for line in stale)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
