"""Names of one thing: what is merged, what never is, and what is left to somebody's verdict."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.evaluation.corpus_tables_names import entities as made_up
from extagents.tables.entities import normalised, resolve
from extagents.tables.likeness import misspelt


def together(*names: str) -> bool:
    """Whether all of the names are one group."""
    return len(resolve(names).groups) == 1


def doubted(*names: str) -> bool:
    """Whether two names are apart, and a pair for a verdict."""
    found = resolve(names)
    return len(found.groups) == 2 and found.doubtful == (tuple(sorted(names)),)


def different(*names: str) -> bool:
    """Whether the names are apart beyond doubt."""
    found = resolve(names)
    return len(found.groups) == len(names) and not found.doubtful


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("The Acme Corporation", "acme"),
        ("ACME, Inc.", "acme"),
        ("Acme S.p.A.", "acme"),
        ("Acme Pvt. Ltd.", "acme"),
        ("Müller GmbH & Co. KG", "muller"),
        ("Société Générale S.A.", "societe generale"),
        ("Orlen sp. z o.o.", "orlen"),
        ("PT Telkom Tbk", "telkom"),
        ("AT&T Inc.", "at and t"),
        ("U.S. Steel", "us steel"),
        ("McDonald’s", "mcdonalds"),
        ("Bahamas, The", "bahamas"),
        ("Korea, North", "north korea"),
        ("Congo, Democratic Republic of the", "democratic republic of the congo"),
        ("World War II", "world war 2"),
        ("Dr. John Smith Jr.", "john smith jr"),
        ("Apple Inc. (NASDAQ: AAPL)", "apple"),
        ("Meta Platforms (formerly Facebook)", "meta platforms"),
        ("华为技术有限公司", "华为技术"),
        ("华为　技术（集团）股份有限公司", "华为技术"),
        ("贵州茅台酒股份有限公司（贵州茅台）", "贵州茅台酒"),
        ("第一医院", "第1医院"),
        ("二〇二三年报告", "2023年报告"),
        ("王伟先生", "王伟"),
    ],
)
def test_a_name_is_known_without_what_only_its_spelling_adds(name: str, plain: str) -> None:
    assert normalised(name) == plain


@pytest.mark.parametrize(
    "name", ["Republic of Mali", "Day Spa", "Springfield (Illinois)", "C++", "Xi Jinping", "上海分公司", "!!!", "第三纪"]
)
def test_what_tells_things_apart_stays(name: str) -> None:
    others = {
        "Republic of Mali": "Mali",
        "Day Spa": "Day",
        "Springfield (Illinois)": "Springfield",
        "C++": "C",
        "Xi Jinping": "11 Jinping",
        "上海分公司": "上海",
        "!!!": "???",
        "第三纪": "第二纪",
    }
    assert normalised(name) != normalised(others[name])


@given(st.text(max_size=60))
def test_any_text_has_a_normal_form_that_stays_as_it_is_found(name: str) -> None:
    assert normalised(name) or not normalised(name.strip())
    assert normalised(name) == normalised(name)


@pytest.mark.parametrize(
    "names",
    [
        ("Acme", "ACME", "acme."),
        ("Acme Corporation (ACME)", "ACME", "Acme Corp."),
        ("International Business Machines Corp. (IBM)", "IBM", "International Business Machines"),
        ("IBM (International Business Machines)", "International Business Machines Corporation", "IBM Corp."),
        ("Meta Platforms, Inc. (formerly Facebook)", "Facebook", "Meta Platforms"),
        ("Apple Inc. (AAPL)", "AAPL"),
        ("JPMorgan Chase & Co.", "J.P. Morgan Chase", "JP Morgan Chase and Company"),
        ("Müller AG", "Mueller AG", "MULLER"),
        ("North Korea", "Korea, North"),
        ("Smith, John", "John Smith"),
        ("Coca-Cola", "Coca Cola", "CocaCola"),
        ("Fund II", "Fund 2"),
        ("First Bank", "1st Bank"),
        ("Constellation Energy", "Consetllation Energy"),
        ("Constellation Energy", "Constelation Energy"),
        ("贵州茅台酒股份有限公司（贵州茅台）", "贵州茅台", "贵州茅台酒有限公司"),
        ("中国石油化工集团公司（简称“中石化”）", "中石化"),
        ("华为集团", "华为有限公司"),
        ("Mali", "Republic of Mali", "the Republic of Mali"),
        ("Samoa", "Independent State of Samoa"),
        ("MERIX", "MERIX trial", "MERIX study"),
        ("M/V Calara", "MV Calara", "Calara"),
        ("雪龙", "雪龙号", "“雪龙”号"),
        ("法兰西", "法兰西共和国"),
        ("晟远7型", "晟远-7型", "晟远7"),
    ],
)
def test_names_of_one_thing_are_one_group(names: tuple[str, ...]) -> None:
    assert together(*names)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Constellation Fund II", "Constellation Fund III"),
        ("Annual Report 2022", "Annual Report 2023"),
        ("Apollo 11", "Apollo 12"),
        ("Apollo", "Apollo 11"),
        ("World War I", "World War II"),
        ("First Bank", "Second Bank"),
        ("North Korea", "South Korea"),
        ("Virginia", "West Virginia"),
        ("Upper Austria", "Lower Austria"),
        ("Mexico", "New Mexico"),
        ("Acme Bank", "Acme Insurance"),
        ("Constellation Services", "Constellation Holdings"),
        ("Niger", "Nigeria"),
        ("Gambia", "Zambia"),
        ("Iran", "Iraq"),
        ("第一医院", "第二医院"),
        ("浙东矿业", "浙西矿业"),
        ("平安银行", "平安保险"),
        ("雪龙号", "雪龙2号"),
        ("3-5 Club", "35 Club"),
        ("Richmond, Virginia", "Virginia"),
        ("Economy of Mali", "Mali"),
        ("Roman Catholic Diocese of Rochester", "Roman Catholic Diocese of Portland"),
    ],
)
def test_a_number_a_direction_or_another_trade_tells_names_apart(one: str, other: str) -> None:
    assert different(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Korea", "Republic of Korea"),
        ("刚果", "刚果共和国"),
        ("Orion trial", "Orion project"),
        ("Republic of the Congo", "Democratic Republic of the Congo"),
        ("Acme", "Acme Holdings"),
        ("Acme Inc.", "Acme GmbH"),
        ("A Man Without Love", "The Man Without Love"),
        ("Springfield", "Springfield, Illinois"),
        ("Springfield (Illinois)", "Springfield"),
        ("Austria", "Australia"),
        ("Johnson", "Johnston"),
        ("Erik Andersen", "Erik Anderson"),
        ("J. Smith", "John Smith"),
        ("John Smith", "John A. Smith"),
        ("EU", "European Union"),
        ("Guinea", "Guinea-Bissau"),
        ("东方电气", "东方电器"),
        ("中石化", "中国石油化工有限公司"),
        ("中国石油集团有限公司", "中国石油股份有限公司"),
        ("中国人民银行", "人民银行"),
    ],
)
def test_what_only_looks_alike_is_left_to_a_verdict(one: str, other: str) -> None:
    assert doubted(one, other)
    assert [set(group) for group in resolve([one, other], same={(one, other): True}).groups] == [{one, other}]
    denied = resolve([one, other], same={(other, one): False})
    assert len(denied.groups) == 2
    assert not denied.doubtful


def test_a_verdict_comes_before_every_rule() -> None:
    assert len(resolve(["Acme", "ACME"], same={("ACME", "Acme"): False}).groups) == 2
    assert len(resolve(["Fund I", "Fund II"], same={("Fund I", "Fund II"): True}).groups) == 1


def test_no_chain_joins_what_a_verdict_keeps_apart() -> None:
    names = ["Alpha", "Beta", "Gamma"]
    same = {("Alpha", "Beta"): True, ("Beta", "Gamma"): True, ("Alpha", "Gamma"): False}
    for group in resolve(names, same=same).groups:
        assert not {"Alpha", "Gamma"} <= set(group)


def test_no_chain_joins_what_a_number_keeps_apart() -> None:
    names = ["Fund I", "The Fund", "Fund II"]
    same = {("Fund I", "The Fund"): True, ("Fund II", "The Fund"): True}
    assert not any({"Fund I", "Fund II"} <= set(group) for group in resolve(names, same=same).groups)


def test_slips_of_slips_do_not_chain() -> None:
    names = ["Constellation", "Constelation", "Consttelation"]
    assert misspelt("constelation", "constellation")
    assert misspelt("constelation", "consttelation")
    assert not misspelt("constellation", "consttelation")
    assert max(len(group) for group in resolve(names).groups) == 2


def test_several_slips_of_one_frequent_name_are_that_name() -> None:
    names = ["Constellation Energy"] * 6 + ["Consetllation Energy", "Constelation Energy"]
    assert resolve(names).groups == (("Constellation Energy", "Consetllation Energy", "Constelation Energy"),)


def test_what_is_written_often_in_two_ways_is_no_slip() -> None:
    names = ["Constellation Energy", "Constelation Energy"]
    assert len(resolve(names * 3).groups) == 2
    assert resolve(names * 3).doubtful == (("Constelation Energy", "Constellation Energy"),)


def test_an_abbreviation_that_two_things_have_is_neithers() -> None:
    found = resolve(["Acme Board (AB)", "Alpine Bakers (AB)", "AB"])
    assert len(found.groups) == 3
    assert ("AB", "Acme Board (AB)") in found.doubtful


def test_a_word_for_the_kind_stays_where_two_things_are_told_apart_by_it() -> None:
    found = resolve(["Orion", "Orion trial", "Orion project"])
    assert len(found.groups) == 3
    assert ("Orion", "Orion trial") in found.doubtful
    congos = resolve(["Congo", "Republic of the Congo", "Democratic Republic of the Congo"])
    assert len(congos.groups) == len(congos.doubtful) == 3


def test_a_bare_name_means_the_firm_that_is_named_most() -> None:
    found = resolve(["Acme", "Acme Inc.", "Acme GmbH", "Acme Inc."])
    assert {frozenset(group) for group in found.groups} == {frozenset({"Acme", "Acme Inc."}), frozenset({"Acme GmbH"})}


def test_the_name_to_show_is_the_most_frequent_then_the_longest_then_the_first() -> None:
    assert resolve(["Acme Inc.", "ACME", "ACME"]).groups[0][0] == "ACME"
    assert resolve(["ACME", "Acme Inc."]).groups[0][0] == "Acme Inc."
    assert resolve(["Acme", "ACME"]).groups[0][0] == "Acme"
    assert resolve(["the Republic of Mali", "Republic of Mali"]).groups[0][0] == "Republic of Mali"


NAMES = [
    *("Acme", "ACME", "Acme Inc.", "Acme GmbH", "Acme Bank", "Acme Corporation (ACME)", "Fund I", "Fund II", "Fund 2"),
    *("Constellation", "Constelation", "Consttelation", "Korea", "North Korea", "Korea, North", "EU", "European Union"),
    *("东方电气", "东方电器", "东方电气股份有限公司", "J. Smith", "John Smith", "Smith, John", "Müller", "Mueller", "Muller"),
]


@given(st.lists(st.sampled_from(NAMES), max_size=30), st.randoms(use_true_random=False), st.data())
def test_the_order_of_names_changes_no_group(names: list[str], chance: random.Random, data: st.DataObject) -> None:
    pairs = sorted(combinations(sorted(set(names)), 2))
    chosen = data.draw(st.lists(st.sampled_from(pairs), max_size=4)) if pairs else []
    same = {pair: data.draw(st.booleans()) for pair in chosen}
    shuffled = names.copy()
    chance.shuffle(shuffled)
    here, there = resolve(names, same=same), resolve(shuffled, same=same)
    assert {frozenset(group) for group in here.groups} == {frozenset(group) for group in there.groups}
    assert sorted(name for group in here.groups for name in group) == sorted(set(names))
    for (one, other), verdict in same.items():
        assert verdict or not any({one, other} <= set(group) for group in here.groups)
    shown = {group[0] for group in here.groups}
    assert all(set(pair) <= shown for pair in here.doubtful)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["company", "country", "trial", "product", "ship"])
def test_every_form_of_a_made_up_name_is_known_and_no_two_are_taken_for_one(kind: str, language: str) -> None:
    made = made_up(kind, 60, language, random.Random(5))
    found = resolve([form for entity in made for form in entity.forms])
    assert {frozenset(group) for group in found.groups} == {frozenset(entity.forms) for entity in made}


def test_thousands_of_names_are_grouped_and_few_are_asked_about() -> None:
    chance = random.Random(7)
    parts = "ba co di fu ga hel in jor kal lo mi nor pa qui ros sta tur vel wex yar zen".split()
    stems = sorted({"".join(chance.choices(parts, k=4)).title() for _ in range(2_500)})
    found = resolve([*(f"{stem} Systems" for stem in stems), *(f"The {stem.upper()} SYSTEMS Inc." for stem in stems)])
    assert len(stems) * 0.97 <= len(found.groups) <= len(stems)
    assert len(found.doubtful) <= 60


def test_hostile_names_are_names() -> None:
    names = ["'; DROP TABLE x; --", "a" * 5_000, "\ud800", "\x00", "((((", "]][[", "\u202egnp", "（）", "()", "、。！"]
    found = resolve(names)
    assert sorted(name for group in found.groups for name in group) == sorted(names)


def test_ids_that_differ_in_their_digits_are_never_doubtful_whatever_else_is_alike() -> None:
    ids = [f"ORD-{number:06}" for number in range(60)]
    found = resolve([*ids, "Order Alpha 7", "Order Alpah 7"])
    assert len(found.groups) == len(ids) + 2
    assert found.doubtful == (("Order Alpah 7", "Order Alpha 7"),)
