"""Simple questions become SQL by rules, and none where they are not surely understood."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from extagents.tables.templates import ask_of, statement
from extagents.tables.templates_words import Fit, tokens
from extagents.tabular import Column, ColumnProfile, TableProfile, TableSchema

COLUMNS = (
    Column(name="revenue", type="number", unit="USD", description="annual revenue"),
    Column(name="growth_rate_2023", type="number", unit="%", description="the value under the label “Growth rate 2023”"),
    Column(name="growth_rate_2024", type="number", unit="%", description="the value under the label “Growth rate 2024”"),
    Column(name="sector", type="text", description="the sector"),
    Column(name="founded", type="number", description="year of foundation"),
    Column(name="export_partners", type="list", description="countries that it exports to"),
    Column(name="listed", type="boolean", description="whether it is publicly listed"),
)
ROWS = [
    ("Acme Corp", 1.5e9, 2.0, 3.0, "Energy", 1985, ["Spain 39%", "UAE 5%"], True),
    ("Beta", 2.0e8, 5.0, 1.0, "Retail", 1999, ["Niger", "France"], False),
    ("Gamma", 3.0e9, None, None, "Energy", 2004, ["Nigeria"], True),
    ("Delta", 1.2e9, 4.0, 9.0, "Health", 1990, None, False),
]
EXAMPLES = {"sector": ("Energy", "Retail", "Health")}
TABLE = TableProfile(
    name="companies",
    schema_=TableSchema(entity="company", columns=COLUMNS),
    rows=4,
    columns=(
        ColumnProfile(name="name", sql_type="VARCHAR", filled=4, empty=0, distinct=4),
        *(
            ColumnProfile(name=c.name, sql_type="", filled=4, empty=0, distinct=4, examples=EXAMPLES.get(c.name, ()))
            for c in COLUMNS
        ),
    ),
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute(
            "CREATE TABLE companies (name VARCHAR, revenue DOUBLE, growth_rate_2023 DOUBLE, growth_rate_2024 DOUBLE, "
            "sector VARCHAR, founded DOUBLE, export_partners VARCHAR[], listed BOOLEAN)"
        )
        opened.executemany("INSERT INTO companies VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ROWS)
        yield opened


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many companies have a revenue above $1.2 billion?", [(2,)]),
        ("How many companies have a revenue of at least $1.2 billion?", [(3,)]),
        ("How many companies in the energy sector were founded before 1990?", [(1,)]),
        ("How many companies have a 2024 growth rate between 1% and 4%?", [(2,)]),
        ("Which company has the highest revenue?", [("Gamma",)]),
        ("Which company in the Energy sector has the lowest revenue?", [("Acme Corp",)]),
        ("Among the companies, which one has the highest 2024 growth rate? Leave out those that give no figure.", [("Delta",)]),
        ("Which company has the highest growth rate in 2023?", [("Beta",)]),
        ("Name the two companies with the largest revenue, in descending order.", [("Gamma",), ("Acme Corp",)]),
        ("What is the sum of the revenue over the companies?", [(5.9e9,)]),
        ("What is the average 2024 growth rate over the companies (two decimal places)?", [(4.33,)]),
        ("What is the median founding year of the companies?", [(1994.5,)]),
        (
            "What percentage of the companies have a 2024 growth rate above 2%? Count only companies that give the figure.",
            [(66.7,)],
        ),
        ("Which has the higher revenue: Acme Corp or Delta?", [("Acme Corp",)]),
        ("Which has the higher revenue: Acme or Delta?", [("Acme Corp",)]),
        ("How much higher is Gamma's revenue than Acme Corp's?", [(1.5e9,)]),
        ("Does Acme Corp have more revenue than Beta?", [(True,)]),
        ("Does Beta have more revenue than Acme Corp?", [(False,)]),
        ("Which companies have the same sector as Acme Corp?", [("Gamma",)]),
        ("How many companies share the same sector as Beta?", [(0,)]),
        ("Which of the companies list the UAE among their export partners?", [("Acme Corp",)]),
        ("Which of the companies list Niger among their export partners?", [("Beta",)]),
        ("How many companies are publicly listed?", [(2,)]),
        ("How many listed companies were founded after 1990?", [(1,)]),
        ("How many energy companies have a revenue below $2 billion?", [(1,)]),
        ("Is there any company with a revenue above $5 billion?", [(False,)]),
        ("What is the sector of Delta?", [("Health",)]),
        ('How many of the companies whose "Sector" entry is exactly "Retail" have a revenue above 100 million USD?', [(1,)]),
        ("By how much did the growth rate of Delta change from 2023 to 2024?", [(5.0,)]),
        ("Which sector occurs most often among the companies?", [("Energy",)]),
        (
            "Rank the companies by revenue, lowest first.",
            [("Beta", 2e8), ("Delta", 1.2e9), ("Acme Corp", 1.5e9), ("Gamma", 3e9)],
        ),
        ("What is the sector of each company?", [(row[0], row[4]) for row in ROWS]),
        ("How many companies are there in each sector?", [("Energy", 2), ("Health", 1), ("Retail", 1)]),
        ("What is the average revenue per sector?", [("Energy", 2.25e9), ("Health", 1.2e9), ("Retail", 2e8)]),
        ("Which sector has the most companies?", [("Energy",)]),
        ("有多少家公司？", [(4,)]),
        ("按营业收入从低到高给公司排名。", [("Beta", 2e8), ("Delta", 1.2e9), ("Acme Corp", 1.5e9), ("Gamma", 3e9)]),
        ("每个行业的平均营业收入是多少？", [("Energy", 2.25e9), ("Health", 1.2e9), ("Retail", 2e8)]),
        ("营业收入超过5亿美元的公司有多少家？", [(3,)]),
        ("哪家公司的营业收入最高？", [("Gamma",)]),
        ("营业收入最高的两家公司是哪些？", [("Gamma",), ("Acme Corp",)]),
        ("所有公司的营业收入总和是多少？", [(5.9e9,)]),
        ("Acme Corp和Delta相比，哪家的营业收入更高？", [("Acme Corp",)]),
        ("成立于1990年之前的公司有多少家？", [(1,)]),
    ],
)
def test_a_simple_question_is_answered_by_its_statement(
    connection: duckdb.DuckDBPyConnection, question: str, expected: list[tuple[object, ...]]
) -> None:
    written = statement(question, [TABLE])
    assert written is not None
    rows = connection.execute(written.sql).fetchall()
    assert rows == [tuple(pytest.approx(v) if isinstance(v, float) else v for v in row) for row in expected]


@pytest.mark.parametrize(
    "question",
    [
        "How many companies have a growth rate above 2%?",  # of which year?
        "How many European companies have a revenue above $1 billion?",  # no column says so
        "Which company has the highest profit margin?",
        "Which company has the highest 2022 growth rate?",
        "How many companies in the oil trade have a revenue above $1 billion?",
        "Who was chief executive of Acme in the year before Ms Roe was first named as such?",
        "Which sector has the most visitors?",
        "What is the total assets for year 2019?",
        "Why did Acme fail?",
        "",
        "哪家公司的毛利最高？",
    ],
)
def test_what_is_not_surely_understood_gets_no_statement(question: str) -> None:
    assert statement(question, [TABLE]) is None


def test_values_of_questions_stay_values() -> None:
    written = statement('How many of the companies whose "Sector" entry is exactly "x\' OR 1=1 --" are there?', [TABLE])
    assert written is not None
    assert "x'' or 1=1 --" in written.sql


def test_wordings_of_one_thing_give_one_token() -> None:
    assert tokens("Net sales") == tokens("营业收入") == tokens("total revenue") == ("§revenue",)
    assert tokens("Number of employees") == tokens("headcount") == tokens("员工人数")


def test_a_label_of_another_year_never_fits() -> None:
    fit = Fit.of(["Growth rate 2023", "Growth rate 2024"])
    assert fit.score("2024 growth rate", "Growth rate 2023") == 0.0
    assert fit.score("2024 growth rate", "Growth rate 2024") == pytest.approx(1.0)


def test_a_question_says_which_rows_it_speaks_of() -> None:
    ask = ask_of('Among the profiles whose "Map references" entry is exactly "Asia", which one has the lowest total area?')
    assert ask is not None
    assert (ask.operation, ask.phrase, ask.entity) == ("least", "total area", "profile")
    assert [(c.phrase, c.relation, c.values) for c in ask.scope] == [("Map references", "equal", ("Asia",))]


def test_a_long_text_is_no_simple_question() -> None:
    assert ask_of("哪些" + "公司的营业收入和" * 900) is None


YEARS = TABLE.model_copy(
    update={
        "columns": tuple(
            profile.model_copy(update={"lowest": "1985", "highest": "2004"}) if profile.name == "founded" else profile
            for profile in TABLE.columns
        )
    }
)


@pytest.mark.parametrize(
    ("question", "condition"),
    [
        ("Which companies were founded after 1 January 1990?", '"founded" >= 1990'),
        ("Which companies were founded after 2 January 1990?", '"founded" > 1990'),
        ("Which companies were founded before 3 March 1990?", '"founded" < 1990'),
        ("Which companies were founded on or after 1990-01-01?", '"founded" >= 1990'),
        ("哪些公司成立于1990年1月1日之后？", '"founded" >= 1990'),
    ],
)
def test_a_day_is_compared_with_years_by_its_year(question: str, condition: str) -> None:
    for table in (TABLE, YEARS):
        written = statement(question, [table])
        assert written is not None
        assert written.sql == f'SELECT "name" FROM "companies" WHERE {condition}'


@pytest.mark.parametrize(
    "question",
    [
        "Which companies were founded on 3 March 1990?",
        "Which companies were founded after 31/12/1990?",
        "Which companies have a revenue above 1 January 1990?",
    ],
)
def test_a_day_that_no_year_answers_for_gives_no_statement(question: str) -> None:
    assert statement(question, [YEARS]) is None


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How much deeper is Lake Arvo than Lake Bel?", -215),
        ("How much deeper is Lake Bel than Lake Arvo?", 215),
        ("How much shallower is Lake Arvo than Lake Bel?", 215),
    ],
)
def test_how_much_more_of_something_one_is_than_another_is_signed(question: str, expected: float) -> None:
    columns = tuple(Column(name=name, type="number", unit="m", description=name) for name in ("depth", "length"))
    table = TableProfile(name="lake", schema_=TableSchema(entity="lake", columns=columns), rows=2, columns=())
    written = statement(question, [table])
    assert written is not None
    with duckdb.connect() as opened:
        opened.execute("CREATE TABLE lake (name VARCHAR, depth DOUBLE, length DOUBLE)")
        opened.execute("INSERT INTO lake VALUES ('Lake Arvo', 167, 9000), ('Lake Bel', 382, 20)")
        assert opened.execute(written.sql).fetchall() == [(expected,)]


PLAIN = TableProfile(
    name="lake",
    schema_=TableSchema(
        entity="lake",
        columns=(
            Column(name="area", type="number", unit="km²", description="the value under the label “Area (km²)”"),
            Column(name="length", type="number", unit="km", description="the value under the label “Length”"),
            Column(name="surveyed", type="date", description="the value under the label “Surveyed”"),
            Column(name="headquarters", type="text", description="the value under the label “Headquarters”"),
            Column(name="salary", type="number", description="the value under the label “Salary”"),
        ),
    ),
    rows=3,
    columns=(
        ColumnProfile(name="headquarters", sql_type="VARCHAR", filled=3, empty=0, distinct=2, examples=("Berlin", "New York")),
    ),
)


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("What is the total area?", 'SELECT sum("area") FROM "lake"'),
        (
            "Which lake is smallest?",
            'SELECT "name" FROM "lake" WHERE "area" IS NOT NULL QUALIFY rank() OVER (ORDER BY "area" ASC) = 1',
        ),
        (
            "Which lake is the longest?",
            'SELECT "name" FROM "lake" WHERE "length" IS NOT NULL QUALIFY rank() OVER (ORDER BY "length" DESC) = 1',
        ),
        ("Which lakes are longer than 2 km?", 'SELECT "name" FROM "lake" WHERE "length" > 2'),
        (
            "Which lake was surveyed last?",
            'SELECT "name" FROM "lake" WHERE "surveyed" IS NOT NULL QUALIFY rank() OVER (ORDER BY "surveyed" DESC) = 1',
        ),
        (
            "How many lakes have their headquarters in Berlin?",
            """SELECT count(*) FROM "lake" WHERE lower(trim("headquarters")) = 'berlin'""",
        ),
        (
            "What is the average salary in Berlin?",
            """SELECT avg("salary") FROM "lake" WHERE lower(trim("headquarters")) = 'berlin'""",
        ),
        ("How many lakes earn more than 100,000?", 'SELECT count(*) FROM "lake" WHERE "salary" > 100000'),
    ],
)
def test_plain_questions_are_understood(question: str, sql: str) -> None:
    written = statement(question, [PLAIN])
    assert written is not None
    assert written.sql == sql


def test_the_first_three_are_asked_for_in_chinese() -> None:
    ask = ask_of("营业收入前三名的公司是哪些？")
    assert ask is not None
    assert (ask.operation, ask.phrase, ask.most) == ("most", "营业收入", 3)


@pytest.mark.parametrize("question", ["What is the average salary in Norway?", "What is the total area of Norway?"])
def test_a_place_that_no_row_has_gives_no_figure_of_all_rows(question: str) -> None:
    written = statement(question, [PLAIN])
    assert written is None or "norway" in written.sql
