"""Metrics and intervals against values worked out by hand."""

from __future__ import annotations

import pytest

from extagents.evaluation import metrics
from extagents.evaluation.statistics import bootstrap, calibration_error, paired, reliability, wilson


def test_exact_folds_case_punctuation_and_articles() -> None:
    assert metrics.exact("The Eagle!", ["eagle"]) == 1.0
    assert metrics.exact("an eagle flew", ["eagle"]) == 0.0


def test_containment_goes_one_way_only() -> None:
    assert metrics.contained("It was Eddie Edwards, I think.", ["Eddie Edwards"]) == 1.0
    assert metrics.contained("Eddie", ["Eddie Edwards"]) == 0.0
    assert metrics.contained("1942", ["42"]) == 0.0


def test_saying_nothing_is_right_where_nothing_answers() -> None:
    assert metrics.contained("", []) == metrics.exact("", []) == metrics.f1("", []) == 1.0
    assert metrics.contained("Oslo", []) == 0.0


def test_chinese_is_compared_by_character() -> None:
    assert metrics.contained("合并于1968年。", ["1968年"]) == 1.0
    assert metrics.exact("杜瓦尔郡", ["杜瓦尔 郡"]) == 1.0
    assert metrics.f1("杜瓦郡", ["杜瓦尔郡"]) == pytest.approx(6 / 7)


def test_f1_counts_shared_words_and_takes_the_best_answer() -> None:
    assert metrics.f1("big red car", ["red car", "bus"]) == pytest.approx(4 / 5)
    assert metrics.f1("", ["bus"]) == 0.0


def test_list_f1_ignores_order_and_counts_items() -> None:
    assert metrics.list_f1("Oslo; Rome and Paris", ["Paris", "Oslo", "Rome"]) == 1.0
    assert metrics.list_f1("Oslo, Bonn", ["Oslo", "Rome"]) == pytest.approx(0.5)
    assert metrics.list_f1("1,200; 3", ["1,200", "3"]) == 1.0


@pytest.mark.parametrize(
    ("answer", "right"), [("1,200 people", 1.0), ("1201", 1.0), ("1205", 0.0), ("1200 of 1300", 0.0), ("none", 0.0)]
)
def test_a_number_is_right_within_its_tolerance_if_it_is_the_only_one(answer: str, right: float) -> None:
    assert metrics.number(answer, 1200, tolerance=2) == right


def test_citations_have_precision_and_recall() -> None:
    assert metrics.citations(["a", "b", "a"], ["b", "c", "d"]) == (0.5, pytest.approx(1 / 3))
    assert metrics.citations([], []) == (1.0, 1.0)
    assert metrics.citations([], ["a"]) == (0.0, 0.0)


def test_a_summary_rests_on_the_gold_sentences_it_shows() -> None:
    quotes = ["The remote will be yellow and made of rubber.", "The budget is twelve euros a piece.", "They meet on Monday."]
    two = ["A yellow remote will be made of rubber", "the budget is twelve euros a piece"]
    assert metrics.rests_on(two, quotes) == 1.0
    assert metrics.rests_on(two[:1], quotes) == 0.0
    assert metrics.rests_on(["anything"], []) == 0.0


def test_wilson_is_the_textbook_interval() -> None:
    half = wilson(0.5, 100)
    assert (half.low, half.high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    assert wilson(0.0, 10).high == pytest.approx(0.2775, abs=1e-4)
    assert wilson(1.0, 10).low == pytest.approx(0.7225, abs=1e-4)


def test_the_bootstrap_is_seeded_and_holds_the_mean() -> None:
    values = [0.0, 1.0] * 50
    made = bootstrap(values)
    assert made == bootstrap(values)
    assert made.low < made.mean == 0.5 < made.high
    assert made.high - made.low == pytest.approx(0.196, abs=0.03)


def test_differences_are_paired_and_a_questions_seeds_are_drawn_together() -> None:
    ours = {(seed, question): 1.0 for seed in (1, 2) for question in range(20)}
    theirs = {(seed, question): float(question < 10) for seed in (1, 2) for question in range(20)}
    together, apart = paired(ours, theirs), paired(ours, theirs, cluster=False)
    assert together.mean == apart.mean == 0.5
    assert together.high - together.low > 1.2 * (apart.high - apart.low)
    assert paired(ours, {(1, 0): 0.0}).mean == 1.0
    assert paired({}, theirs).mean == 0.0


def test_calibration_error_weighs_bins_by_their_size() -> None:
    sure, right = [0.95, 0.95, 0.95, 0.55], [True, True, False, True]
    assert [b.count for b in reliability(sure, right)] == [1, 3]
    assert calibration_error(sure, right) == pytest.approx(0.75 * abs(0.95 - 2 / 3) + 0.25 * 0.45)
    assert calibration_error([], []) == 0.0
