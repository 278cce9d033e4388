"""Dates of cells as ISO 8601, as exact as the text tells them."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.tables.values import holds, parse
from extagents.tables.values_dates import dates_in
from extagents.tabular import Column

DATE = Column(name="day", type="date", description="")


@pytest.mark.parametrize(
    ("raw", "iso"),
    [
        ("12 March 2021", "2021-03-12"),
        ("12th of March, 2021", "2021-03-12"),
        ("March 12, 2021", "2021-03-12"),
        ("Tuesday, Mar. 12 2021, 5 pm", "2021-03-12"),
        ("12-Mar-2021", "2021-03-12"),
        ("12-Mar-21", "2021-03-12"),
        ("2021/3/12", "2021-03-12"),
        ("20210312", "2021-03-12"),
        ("2021-03-12T10:00:00Z", "2021-03-12"),
        ("2021年3月12日", "2021-03-12"),
        ("二〇二一年三月十二日", "2021-03-12"),
        ("二零二一年十二月三十一日", "2021-12-31"),
        ("民国110年", "2021"),
        ("Mar 2021", "2021-03"),
        ("Mar-21", "2021-03"),
        ("03/2021", "2021-03"),
        ("2021年3月", "2021-03"),
        ("2021", "2021"),
        ("in 1867", "1867"),
        ("c. 795", "0795"),
        ("FY2023", "2023"),
        ("FY23", "2023"),
        ("fiscal 2023/24", "2023"),
        ("2020年度", "2020"),
        ("Q3 2022", "2022-07-01"),
        ("third quarter of 2022", "2022-07-01"),
        ("2022Q3", "2022-07-01"),
        ("2021年第三季度", "2021-07-01"),
        ("H2 2022", "2022-07-01"),
        ("2021年上半年", "2021-01-01"),
        ("12–15 March 2021", "2021-03-12"),
        ("11/1/2021 to 5/5/2022", "2021-11-01"),
        ("since 8 September 2022 (signed 5 May 2020)", "2022-09-08"),
        ("unscheduled (held 14 May 2022)", "2022-05-14"),
        ("12 mars 2021", "2021-03-12"),
        ("31 декабря 2020", "2020-12-31"),
    ],
)
def test_dates_in_their_many_forms(raw: str, iso: str) -> None:
    assert parse(raw, DATE) == iso


@pytest.mark.parametrize(
    ("raw", "iso"),
    [("3/4/2021", "2021-03-04"), ("13/4/2021", "2021-04-13"), ("3.4.2021", "2021-04-03"), ("4.13.2021", "2021-04-13")],
)
def test_slashes_put_the_month_first_and_dots_the_day(raw: str, iso: str) -> None:
    assert parse(raw, DATE) == iso


@pytest.mark.parametrize(
    "raw",
    [
        "yesterday",
        "3 days ago",
        "12 March",
        "3月12日",
        "May",
        "1990s",
        "1990年代",
        "44 BC",
        "30 February 2021",
        "0 Aug 1958",
        "00 Jul 2004",
        "1992-00-15",
        "2019年00月26日",
        "2021-13-40",
        "12%",
    ],
)
def test_what_tells_no_year_or_no_day_that_exists_is_no_date(raw: str) -> None:
    assert parse(raw, DATE) is None


FORMS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d %B %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%b. %d, %Y",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%Y年%m月%d日",
    "%A, %d %B %Y",
)


@given(st.dates(datetime.date(1500, 1, 1), datetime.date(2100, 12, 31)), st.sampled_from(FORMS))
def test_every_day_comes_back_from_every_form(day: datetime.date, form: str) -> None:
    assert parse(day.strftime(form), DATE) == day.isoformat()


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 12, 31)), st.sampled_from(FORMS), st.sampled_from(FORMS))
def test_a_quote_holds_its_date_in_any_form_and_no_other(day: datetime.date, form: str, other: str) -> None:
    quote = f"The agreement was signed on {day.strftime(form)} in Geneva."
    assert holds(quote, day.strftime(other), DATE)
    swapped = (day.day, day.month)
    for wrong in (day + datetime.timedelta(days=1), day - datetime.timedelta(days=366)):
        if (wrong.month, wrong.day) != swapped:
            assert not holds(quote, wrong.isoformat(), DATE)


def test_dates_are_found_in_a_sentence() -> None:
    found = dates_in("On 3/4/2021, and in March 2020, 12 firms (2019) met.")
    assert [(dated.iso, dated.other) for dated in found] == [("2021-03-04", "2021-04-03"), ("2020-03", ""), ("2019", "")]


def test_letters_that_patterns_take_for_others_do_no_harm() -> None:
    day = Column(name="d", type="date", description="")
    assert [parse(raw, day) for raw in ("12 ſept 2020", "aprıl 2020", "thırd quarter of 2020")] == [
        "2020-09-12",
        "2020-04",
        "2020-07-01",
    ]
    assert holds("on 12 ſept in 2020", "2020-09-12", day)
