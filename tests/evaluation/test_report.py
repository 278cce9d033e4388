"""What is told of rows: shares, paired differences, bounds and plots."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from extagents.evaluation import report

OURS = "thorough/fused"


def row(question: str, loop: str, right: float, **changes: Any) -> dict[str, Any]:
    made = {
        **({"confidence": 0.9, "paths": {}} if loop == OURS else {}),
        "data": "set",
        "setting": "128K",
        "profile": "small",
        "seed": 1,
        "question": question,
        "loop": loop,
        "right": right,
        "exact": right,
        "f1": right,
        "wrong_given": 1.0 - right,
        "answer": "Oslo",
        "failure": None,
        "calls": 10,
        "prompt_tokens": 1_500,
        "uncached_tokens": 1_100,
        "input_tokens": 1_000,
        "makespan_s": 2.0,
        "chain": 4,
        "chain_s": 1.0,
        "prefill": 1_000.0,
        "rounds": 1,
        "seconds": 0.1,
        "gold": 2,
    }
    return {**made, **changes}


ROWS = [
    *(
        row(f"q{n}", OURS, 1.0, confidence=0.9, paths={"ladder": float(n < 6), "memory": 1.0}, cited=2, cited_gold=1)
        for n in range(8)
    ),
    *(row(f"q{n}", OURS, 0.0) for n in range(8, 10)),
    *(row(f"q{n}", "memagent", float(n < 3), noted=4, kept=2, makespan_s=9.0) for n in range(10)),
]


def test_loops_have_shares_and_costs_a_token_of_input() -> None:
    mine = next(line for line in report.loops(ROWS) if line["loop"] == OURS)
    assert mine["accuracy"].startswith("0.800 [")
    assert (mine["runs"], mine["prompt ×"], mine["uncached ×"], mine["wrong given"]) == (10, 1.5, 1.1, 0.2)
    assert mine["cites"] == "0.50 / 0.40"


def test_differences_are_told_per_set_and_pooled() -> None:
    lines = report.differences([*ROWS, *({**r, "data": "other"} for r in ROWS)], ours=OURS)
    assert [(line["data"], line["profile"], line["pairs"]) for line in lines] == [
        ("set", "small", 10),
        ("other", "small", 10),
        ("all sets", "small", 20),
        ("all sets", "all profiles", 20),
    ]
    assert all(line["difference"].startswith("+0.500 [+") for line in lines)


def test_runs_under_other_settings_are_not_compared() -> None:
    lines = report.differences([r for r in ROWS if r["loop"] == OURS] + [{**ROWS[-1], "setting": "1000K"}], ours=OURS)
    assert lines == []


def test_ratios_tell_how_much_more_others_cost() -> None:
    (line,) = report.ratios(ROWS, ours=OURS)
    assert line["wrong given: other / ours"] == "3.50"
    assert line["makespan: other / ours"] == "4.50"


def test_a_makespan_is_held_against_its_bound() -> None:
    within = {line["loop"]: line["runs within"] for line in report.makespans(ROWS)}
    assert within == {OURS: "10 of 10", "memagent": "0 of 10"}  # 1.15 · (1100 / 1000 + 1) = 2.415


def test_fusion_is_held_against_each_path_where_there_was_one() -> None:
    found = {line["path"]: line for line in report.paths(ROWS)}
    assert (found["ladder"]["path right"], found["ladder"]["fused right"]) == (0.75, 1.0)
    assert found["memory"]["fused − path"].startswith("+0.000")


def test_calibration_and_retention_are_told() -> None:
    (sure,) = report.calibration(ROWS)
    assert sure["ECE"] == pytest.approx(0.1)
    (kept,) = report.retention(ROWS)
    assert (kept["loop"], kept["kept"]) == ("memagent", 0.5)


def test_the_report_is_markdown_and_names_failures() -> None:
    told = report.markdown([*ROWS, row("q99", "pi_mem", 0.0, failure="ModelError: gone")], ours=OURS)
    assert "### Loops" in told
    assert "- pi_mem: ModelError: gone" in told
    assert report.table([]) == ""


def test_the_plot_is_an_svg_with_every_loop() -> None:
    drawn = report.plot(ROWS)
    texts = [element.text for element in ET.fromstring(drawn).iter() if element.tag.endswith("text")]
    assert {OURS, "memagent"} <= set(texts)
