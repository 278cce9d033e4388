"""Rows of runs as tables, Markdown and a plot. A row is one run of one loop on one question under one profile and seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from extagents.evaluation.statistics import Bin, Interval, bootstrap, calibration_error, paired, reliability, wilson

Row = dict[str, Any]
Line = dict[str, Any]
SLACK = 1.15  # how far a run may lie above what its tokens and its longest chain of calls take


def tables(rows: Sequence[Row], *, ours: str) -> dict[str, list[Line]]:
    """Everything that is told of the rows: loops, differences to `ours`, and what lies inside our own runs."""
    return {
        "loops": loops(rows),
        "differences": differences(rows, ours=ours),
        "cost": ratios(rows, ours=ours),
        "makespan": makespans(rows),
        "paths": paths(rows),
        "calibration": calibration(rows),
        "retention": retention(rows),
    }


def markdown(rows: Sequence[Row], *, ours: str) -> str:
    """The tables one after another, and every reason for which a run failed."""
    titles = {
        "loops": "Loops",
        "differences": f"{ours} − other, paired by question",
        "cost": f"Cost and wrong answers beside {ours}",
        "makespan": "Makespan against its bound",
        "paths": "Fusion against its paths",
        "calibration": "Confidence",
        "retention": "Retention: what stands in the last prompt, of what was ever noted",
    }
    parts = [f"### {titles[name]}\n\n{table(lines)}" for name, lines in tables(rows, ours=ours).items() if lines]
    failures = sorted({f"{row['loop']}: {row['failure']}" for row in rows if row["failure"]})
    if failures:
        parts.append("### Failed\n\n" + "\n".join(f"- {failure}" for failure in failures))
    return "\n\n".join(parts)


def table(lines: Sequence[Line]) -> str:
    """A Markdown table."""
    if not lines:
        return ""
    heads = list(lines[0])
    rows = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*rows, *("| " + " | ".join(str(line[head]) for head in heads) + " |" for line in lines)])


def grouped(rows: Iterable[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """The rows by the values of these fields, in the order of their first row."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def mean(rows: Sequence[Row], name: str) -> float:
    return sum(float(row[name]) for row in rows) / max(1, len(rows))


# ------------------------------------------------------------------ what is told


def loops(rows: Sequence[Row]) -> list[Line]:
    """A line a set, setting, profile and loop; seeds pooled."""
    lines = []
    for (data, setting, profile, loop), part in sorted(grouped(rows, "data", "setting", "profile", "loop").items()):
        right = wilson(mean(part, "right"), len(part))
        size = sum(row["input_tokens"] for row in part)
        lines.append(
            {
                "data": data,
                "setting": setting,
                "profile": profile,
                "loop": loop,
                "runs": len(part),
                "accuracy": f"{right.mean:.3f} [{right.low:.3f}, {right.high:.3f}]",
                "EM": round(mean(part, "exact"), 3),
                "F1": round(mean(part, "f1"), 3),
                "wrong given": round(mean(part, "wrong_given"), 3),
                "calls": round(mean(part, "calls"), 1),
                "prompt ×": round(sum(row["prompt_tokens"] for row in part) / size, 3),
                "uncached ×": round(sum(row["uncached_tokens"] for row in part) / size, 3),
                "makespan s": round(mean(part, "makespan_s"), 1),
                "chain": round(mean(part, "chain"), 1),
                "rounds": round(mean(part, "rounds"), 2),
                "cites": cites(part),
                "s a run": round(mean(part, "seconds"), 2),
                "failed": sum(row["failure"] is not None for row in part),
            }
        )
    return lines


def cites(rows: Sequence[Row]) -> str:
    """Precision and recall of cited documents over the runs that cite at all."""
    cited, hit, gold = (sum(row.get(name, 0) for row in rows) for name in ("cited", "cited_gold", "gold"))
    return f"{hit / cited:.2f} / {hit / max(1, gold):.2f}" if cited else "–"


def differences(rows: Sequence[Row], *, ours: str, name: str = "right") -> list[Line]:
    """Our accuracy minus every other loop's: per set and profile, pooled over sets, and pooled over everything."""
    mine = {_place(row): float(row[name]) for row in rows if row["loop"] == ours}
    lines: list[Line] = []
    others = [loop for (loop,) in grouped(rows, "loop") if loop != ours]
    for setting, loop in ((s, loop) for (s,) in grouped(rows, "setting") for loop in others):
        theirs = [row for row in rows if row["loop"] == loop and row["setting"] == setting]
        scopes: list[tuple[str, str, Callable[[Row], bool]]] = [
            *((data, profile, _of(data, profile)) for data, profile in grouped(theirs, "data", "profile")),
            *(("all sets", profile, _of(None, profile)) for (profile,) in grouped(theirs, "profile")),
            ("all sets", "all profiles", _of(None, None)),
        ]
        for data, profile, wanted in scopes:
            part = {_place(row): float(row[name]) for row in theirs if wanted(row)}
            pairs = sum(place in mine for place in part)
            if pairs:
                shown = {"setting": setting, "other": loop, "data": data, "profile": profile, "pairs": pairs}
                lines.append({**shown, "difference": str(paired(mine, part))})
    return lines


def _place(row: Row) -> tuple[Any, ...]:
    """What two runs share that are compared; the question, which belongs to its set, stands last."""
    return (row["setting"], row["profile"], row["seed"], (row["data"], row["question"]))


def _of(data: str | None, profile: str | None) -> Callable[[Row], bool]:
    def wanted(row: Row) -> bool:
        return (data is None or row["data"] == data) and (profile is None or row["profile"] == profile)

    return wanted


def ratios(rows: Sequence[Row], *, ours: str) -> list[Line]:
    """Every loop beside ours on the questions that both ran: wrong answers, uncached tokens and makespan as ratios."""
    lines: list[Line] = []
    for (setting, profile), part in grouped(rows, "setting", "profile").items():
        by_loop = {loop: {_place(row): row for row in runs} for (loop,), runs in grouped(part, "loop").items()}
        mine = by_loop.get(ours, {})
        for loop, theirs in by_loop.items():
            both = [(mine[place], theirs[place]) for place in mine if place in theirs]
            if loop == ours or not both:
                continue
            line: Line = {"setting": setting, "profile": profile, "loop": loop, "pairs": len(both)}
            for head, name in (("wrong given", "wrong_given"), ("uncached", "uncached_tokens"), ("makespan", "makespan_s")):
                here, there = (sum(float(pair[side][name]) for pair in both) for side in (0, 1))
                line[f"{head}: other / ours"] = f"{there / here:.2f}" if here else ("∞" if there else "–")
            lines.append(line)
    return lines


def makespans(rows: Sequence[Row]) -> list[Line]:
    """The simulated time of a loop beside what its uncached tokens and the decoding of its longest chain of calls take."""
    lines = []
    for (data, setting, profile, loop), part in sorted(grouped(rows, "data", "setting", "profile", "loop").items()):
        bound = [SLACK * (row["uncached_tokens"] / row["prefill"] + row["chain_s"]) for row in part]
        within = sum(row["makespan_s"] <= limit for row, limit in zip(part, bound, strict=True))
        lines.append(
            {
                "data": data,
                "setting": setting,
                "profile": profile,
                "loop": loop,
                "makespan s": round(mean(part, "makespan_s"), 2),
                f"{SLACK} × bound s": round(sum(bound) / len(bound), 2),
                "runs within": f"{within} of {len(part)}",
                "chain": round(mean(part, "chain"), 2),
                "plan + rounds × 2 + answer": round(2 + 2 * mean(part, "rounds"), 2),
                "chain longer in": sum(row["chain"] > 2 + 2 * row["rounds"] for row in part),
            }
        )
    return lines


def paths(rows: Sequence[Row]) -> list[Line]:
    """Our final answers beside the candidates of every path, over the runs that had that path."""
    lines = []
    with_paths = [row for row in rows if row.get("paths")]
    for (setting, loop), part in grouped(with_paths, "setting", "loop").items():
        for path in sorted({name for row in part for name in row["paths"]}):
            had = [row for row in part if path in row["paths"]]
            gain = bootstrap([float(row["right"]) - float(row["paths"][path]) for row in had])
            alone = sum(float(row["paths"][path]) for row in had) / len(had)
            line = {"setting": setting, "loop": loop, "path": path, "runs": len(had), "path right": round(alone, 3)}
            lines.append({**line, "fused right": round(mean(had, "right"), 3), "fused − path": str(gain)})
    return lines


def calibration(rows: Sequence[Row], *, bins: int = 10) -> list[Line]:
    """How far confidence and accuracy lie apart over the answers that were given, with the bins of the reliability plot."""
    lines = []
    given = [row for row in rows if row.get("answer") and "confidence" in row]
    for (setting, loop), part in grouped(given, "setting", "loop").items():
        sure, right = [float(row["confidence"]) for row in part], [float(row["right"]) for row in part]
        shown = ", ".join(f"{b.confidence:.2f}→{b.accuracy:.2f} ({b.count})" for b in reliability(sure, right, bins=bins))
        error = round(calibration_error(sure, right, bins=bins), 4)
        lines.append({"setting": setting, "loop": loop, "answers": len(part), "ECE": error, "confidence→accuracy (n)": shown})
    return lines


def retention(rows: Sequence[Row]) -> list[Line]:
    """What a memory kept to the end, of what it ever held: verified facts of ours, lines of the published loops'."""
    lines = []
    noted = [row for row in rows if row.get("noted")]
    for (setting, profile, loop), part in grouped(noted, "setting", "profile", "loop").items():
        share = sum(row["kept"] for row in part) / sum(row["noted"] for row in part)
        line = {"setting": setting, "profile": profile, "loop": loop, "runs": len(part)}
        lines.append({**line, "noted a run": round(mean(part, "noted"), 1), "kept": round(share, 4)})
    return lines


# ------------------------------------------------------------------ plot

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 400, 60, 50
COLOURS = ("#1b6ca8", "#c0392b", "#27864a", "#8e44ad", "#b9770e", "#148f8f", "#7f8c8d", "#2c3e50", "#d35477", "#5d6d1e")


def plot(rows: Sequence[Row]) -> str:
    """An SVG: accuracy of every loop with its 95% interval, over its uncached tokens a token of input (logarithmic)."""
    points: list[tuple[str, float, Interval]] = []
    for (loop,), part in grouped(rows, "loop").items():
        size = sum(row["input_tokens"] for row in part)
        cost = sum(row["uncached_tokens"] for row in part) / size
        points.append((loop, max(cost, 1e-3), wilson(mean(part, "right"), len(part))))
    low, high = (f(cost for _, cost, _ in points) for f in (min, max))
    first, last = math.log(low / 1.3), math.log(high * 1.3)

    def across(cost: float) -> float:
        return LEFT + (WIDTH - LEFT - 150) * (math.log(cost) - first) / (last - first)

    def up(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 20) * share

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for tenth in range(0, 11, 2):
        y = up(tenth / 10)
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - 150}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tenth / 10:.1f}</text>')
    for cost in (0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5):
        if low / 1.3 <= cost <= high * 1.3:
            x = across(cost)
            drawn.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{cost:g}</text>')
    drawn.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">uncached input tokens a token of input</text>')
    drawn.append(f'<text x="{LEFT}" y="14">accuracy</text>')
    for number, (loop, cost, right) in enumerate(points):
        x, colour = across(cost), COLOURS[number % len(COLOURS)]
        drawn.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{up(right.low):.1f}" y2="{up(right.high):.1f}" stroke="{colour}"/>')
        drawn.append(f'<circle cx="{x:.1f}" cy="{up(right.mean):.1f}" r="4" fill="{colour}"/>')
        y = 24 + 18 * number
        drawn.append(f'<circle cx="{WIDTH - 140}" cy="{y - 4}" r="4" fill="{colour}"/>')
        drawn.append(f'<text x="{WIDTH - 130}" y="{y}">{escape(loop)}</text>')
    return "\n".join([*drawn, "</svg>"])


def reliability_plot(bins: Sequence[Bin]) -> str:
    """How many of the answers of a confidence were right, as an SVG: on the line, confidence is the share that is right."""
    side, edge = 320, 44
    end = edge + side

    def at(share: float) -> float:
        return round(share * side, 1)

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {end + 20} {end + 24}" font-family="sans-serif" font-size="12">',
        f'<rect x="{edge}" y="20" width="{side}" height="{side}" fill="none" stroke="#999"/>',
        f'<line x1="{edge}" y1="{20 + side}" x2="{end}" y2="20" stroke="#999" stroke-dasharray="4 4"/>',
    ]
    most = max((found.count for found in bins), default=1)
    for found in bins:
        x, y, radius = edge + at(found.confidence), 20 + side - at(found.accuracy), 3 + 9 * math.sqrt(found.count / most)
        drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#2563eb" fill-opacity="0.7"/>')
        drawn.append(f'<text x="{x + radius + 2:.1f}" y="{y + 4:.1f}" font-size="10">{found.count}</text>')
    for tenth in range(0, 11, 2):
        drawn.append(f'<text x="{edge + at(tenth / 10)}" y="{side + 36}" text-anchor="middle">{tenth / 10:g}</text>')
        drawn.append(f'<text x="{edge - 6}" y="{24 + side - at(tenth / 10)}" text-anchor="end">{tenth / 10:g}</text>')
    drawn.append(f'<text x="{edge + side / 2}" y="{side + 54}" text-anchor="middle">confidence</text>')
    drawn.append(
        f'<text x="14" y="{20 + side / 2}" transform="rotate(-90 14 {20 + side / 2})" text-anchor="middle">right</text>'
    )
    return "\n".join([*drawn, "</svg>"])
