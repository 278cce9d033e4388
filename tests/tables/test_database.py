"""Tables in the database: what whoever writes SQL sees, typed values, errors fit for a repair, processes used again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from extagents.tables.database import Database, SqlError, _processes, columns_of, end_kept
from extagents.tabular import CellValue, Column, Table, TableRow

COLUMNS = (
    Column(name="revenue", type="number", unit="USD million", description="total revenue\nof the year"),
    Column(name="order", type="text", description="order of the list", values=["first", "second"]),
    Column(name="founded", type="date", description=""),
    Column(name="listed", type="boolean", description="on an exchange"),
    Column(name="products", type="list", description="what it sells"),
)


def company(name: str, **values: CellValue) -> TableRow:
    return TableRow(name=name, values={column.name: values.get(column.name) for column in COLUMNS})


COMPANIES = Table(
    name="company",
    entity="company",
    columns=COLUMNS,
    rows=(
        company("Acme", revenue=12.5, order="first", founded="1999-05-06", listed=True, products=("anvils", "rockets")),
        company("Borealis", revenue=-3, order="second", founded="2001", listed=False, products=()),
        company("茶屋", revenue=100, order="second", founded="2010-07"),
        company("Delta"),
    ),
)


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database([COMPANIES]) as opened:
        yield opened
    end_kept()


def test_the_ddl_says_type_unit_description_and_classes(database: Database) -> None:
    assert database.ddl() == (
        "CREATE TABLE company ( -- one row: company\n"
        "  name VARCHAR, -- which company\n"
        "  revenue DOUBLE, -- in USD million; total revenue of the year\n"
        '  "order" VARCHAR, -- order of the list; one of: first, second\n'
        "  founded DATE,\n"
        "  listed BOOLEAN, -- on an exchange\n"
        "  products VARCHAR[] -- what it sells\n"
        ");"
    )


def test_the_profile_says_what_is_filled_and_what_occurs(database: Database) -> None:
    (profile,) = database.profiles()
    assert (profile.name, profile.rows, profile.schema_.entity) == ("company", 4, "company")
    columns = {column.name: column for column in profile.columns}
    assert list(columns) == ["name", "revenue", "order", "founded", "listed", "products"]
    assert columns["name"].examples == ("Acme", "Borealis", "茶屋", "Delta")
    revenue = columns["revenue"]
    assert (revenue.sql_type, revenue.filled, revenue.empty, revenue.distinct) == ("DOUBLE", 3, 1, 3)
    assert (revenue.lowest, revenue.highest, revenue.examples) == ("-3", "100", ())
    assert columns["order"].examples == ("second", "first"), "the most frequent first"
    assert (columns["founded"].lowest, columns["founded"].highest) == ("1999-05-06", "2010-07-01")
    assert (columns["products"].filled, columns["products"].distinct) == (2, 2)
    assert columns["products"].examples == ("anvils", "rockets")
    assert len(profile.sample) == 4
    assert profile.sample[0] == ("Acme", 12.5, "first", "1999-05-06", True, ("anvils", "rockets"))


def test_a_column_of_many_or_long_values_shows_some_of_them_short() -> None:
    rows = tuple(TableRow(name=f"{number} {'x' * 100}", values={"order": "y"}) for number in range(50))
    with Database([COMPANIES.model_copy(update={"rows": rows})]) as opened:
        name = opened.profiles()[0].columns[0]
    assert name.distinct == 50
    assert len(name.examples) == 20
    assert {len(example) for example in name.examples} == {60}


def test_values_come_back_with_their_types(database: Database) -> None:
    result = database.query('SELECT name, revenue, "order", founded, listed, products FROM company')
    assert result.columns == ("name", "revenue", "order", "founded", "listed", "products")
    assert result.types == ("VARCHAR", "DOUBLE", "VARCHAR", "DATE", "BOOLEAN", "VARCHAR[]")
    assert result.rows == (
        ("Acme", 12.5, "first", "1999-05-06", True, ("anvils", "rockets")),
        ("Borealis", -3.0, "second", "2001-01-01", False, ()),
        ("茶屋", 100.0, "second", "2010-07-01", None, None),
        ("Delta", None, None, None, None, None),
    )
    assert not result.cut


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT count(*) FROM company", ((4,),)),
        ("select COUNT(*) from COMPANY where REVENUE > 0;", ((2,),)),
        ("FROM company SELECT max(revenue)", ((100.0,),)),
        ("WITH rich AS (SELECT * FROM company WHERE revenue > 10) SELECT count(*) FROM rich", ((2,),)),
        ("SELECT c.name FROM main.company c ORDER BY c.revenue DESC NULLS LAST LIMIT 1", (("茶屋",),)),
        ("SELECT name FROM company WHERE list_contains(products, 'anvils')", (("Acme",),)),
        ("SELECT name FROM company, unnest(products) AS u(product) WHERE product LIKE 'rock%'", (("Acme",),)),
        ("SELECT name FROM company WHERE year(founded) = 2001", (("Borealis",),)),
        ("SELECT name FROM company WHERE extract('year' FROM founded) < 2000", (("Acme",),)),
        ("SELECT name FROM company WHERE founded < DATE '2000-01-01'", (("Acme",),)),
        ("SELECT sum(revenue) FILTER (WHERE listed) FROM company", ((12.5,),)),
        (
            'SELECT "order", count(*) FROM company WHERE "order" IS NOT NULL GROUP BY 1 ORDER BY 2',
            (("first", 1), ("second", 2)),
        ),
        ("SELECT name FROM company QUALIFY rank() OVER (ORDER BY revenue DESC NULLS LAST) = 1", (("茶屋",),)),
        ("SELECT arg_max(name, revenue), median(revenue), round(avg(revenue), 1) FROM company", (("茶屋", 12.5, 36.5),)),
        ("SELECT a.name, b.name FROM company a JOIN company b ON a.revenue > b.revenue AND b.listed", (("茶屋", "Acme"),)),
        ("SELECT EXISTS (SELECT 1 FROM company WHERE revenue < 0)", ((True,),)),
        ("SELECT string_agg(name, ', ' ORDER BY name) FROM company WHERE listed IS NOT NULL", (("Acme, Borealis",),)),
        ("SELECT list_transform([1, 2], lambda x: x + 1), [x * 2 FOR x IN [1, 2] IF x > 1]", ((("2", "3"), ("4",)),)),
        ("SELECT date_diff('day', DATE '2020-01-01', DATE '2020-03-01'), 1::DECIMAL(5, 2), 1 / 4", ((60, 1, 0.25),)),
        ("SELECT CASE WHEN revenue > 50 THEN 'large' ELSE 'small' END FROM company WHERE name = '茶屋'", (("large",),)),
        ("SELECT name FROM company WHERE regexp_matches(name, '^A') UNION SELECT 'x' WHERE false", (("Acme",),)),
        ("SELECT x.name FROM (VALUES ('a'), ('b')) x(name) WHERE x.name > 'a'", (("b",),)),
        ('SELECT count(DISTINCT "order") - 2 FROM company -- a comment; with a semicolon', ((0,),)),
    ],
)
def test_the_statements_that_questions_need_are_run(database: Database, sql: str, rows: tuple[tuple[object, ...], ...]) -> None:
    assert database.query(sql).rows == rows


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT revenu FROM company", ['"revenu"', '"revenue"']),
        ("SELECT name FROM companies", ["no table", "companies", "company"]),
        ("SELECT name FROM company WHERE", ["syntax error"]),
        ("SELECT sum(name) FROM company", ["sum(VARCHAR)"]),
        ("SELECT totals(revenue) FROM company", ["totals", "not available"]),
        ("SELECT averag(revenue) FROM company", ["averag", "not available"]),
        ("SELECT string_aggr(name, ', ') FROM company", ['there is "string_agg"']),
        ("SELECT name, count(*) FROM company", ["GROUP BY"]),
        ("SELECT CAST(name AS DOUBLE) FROM company", ["Acme"]),
        ("DELETE FROM company", ["only a SELECT"]),
        ("", ["no statement"]),
    ],
)
def test_an_error_tells_in_a_line_or_two_what_to_mend(database: Database, sql: str, told: list[str]) -> None:
    with pytest.raises(SqlError) as raised:
        database.query(sql)
    message = raised.value.message
    assert all(part in message for part in told), message
    assert len(message.splitlines()) <= 2
    assert "LINE 1" not in message


def test_a_long_result_is_cut_and_says_so(database: Database) -> None:
    assert len(database.query("SELECT a.name FROM company a, company b, company c").rows) == 64
    with Database([COMPANIES], rows=10) as short:
        result = short.query("SELECT a.name FROM company a, company b")
        assert (len(result.rows), result.cut) == (10, True)
        assert not short.query("SELECT a.name FROM company a, company b LIMIT 10").cut
        wide = short.query("SELECT repeat('x', 400000) FROM company")
        assert (len(wide.rows), wide.cut) == (2, True)
        with pytest.raises(SqlError, match="larger than"):
            short.query("SELECT repeat('x', 2000000)")


def test_values_that_do_not_fit_their_column_are_not_known() -> None:
    rows = (company("Odd", revenue="many", founded="in spring", listed="perhaps", order=5.0, products="one"),)
    with Database([COMPANIES.model_copy(update={"rows": rows})]) as opened:
        result = opened.query('SELECT revenue, founded, listed, "order", products FROM company')
    assert result.rows == ((None, None, None, "5", ("one",)),)


def test_several_tables_and_names_that_differ_in_capitals_only() -> None:
    twice = Table(
        name="Company",
        entity="firm",
        columns=(Column(name="Revenue", type="number", description=""), Column(name="revenue", type="number", description="")),
        rows=(TableRow(name="x", values={"Revenue": 1, "revenue": 2}),),
    )
    with Database([COMPANIES, twice]) as opened:
        assert [profile.name for profile in opened.profiles()] == ["company", "Company_2"]
        assert opened.query("SELECT revenue, revenue_2 FROM company_2").rows == ((1.0, 2.0),)
        assert opened.query("SELECT count(*) FROM company, company_2").rows == ((4,),)


def test_an_empty_table_can_be_asked() -> None:
    with Database([COMPANIES.model_copy(update={"rows": ()})]) as opened:
        assert opened.query("SELECT count(*), sum(revenue) FROM company").rows == ((0, None),)
        assert opened.profiles()[0].sample == ()
    with Database([]) as opened:
        assert (opened.ddl(), opened.profiles()) == ("", ())
        assert opened.query("SELECT 1").rows == ((1,),)


def test_the_columns_and_tables_that_a_statement_mentions() -> None:
    rich = "WITH rich AS (SELECT * FROM company WHERE revenue > 5) "
    sql = f"{rich} SELECT r.name, count(*) FROM rich r JOIN sector USING (key) GROUP BY 1"
    assert set(columns_of(sql)) == {"company", "sector", "revenue", "name", "key"}
    assert columns_of('SELECT count(*) FROM "Company"') == ("company",)
    with pytest.raises(SqlError):
        columns_of("DROP TABLE company")


def test_one_process_serves_database_after_database() -> None:
    end_kept()
    pids = []
    for tables in ([COMPANIES], [COMPANIES], [COMPANIES.model_copy(update={"name": "firm"})], [COMPANIES]):
        with Database(tables) as opened:
            assert opened.query(f"SELECT count(*) FROM {tables[0].name}").rows == ((4,),)
            other = "firm" if tables[0].name == "company" else "company"
            with pytest.raises(SqlError, match="no table"):
                opened.query(f"SELECT * FROM {other}")
            pids += [worker.process.pid for worker in _processes.kept]
    assert len(set(pids)) == 1
    end_kept()


def test_databases_that_are_open_at_once_see_their_own_tables_alone() -> None:
    end_kept()
    opened = [Database([COMPANIES.model_copy(update={"rows": COMPANIES.rows[:number]})]) for number in range(5)]
    for _ in range(2):
        for number, database in enumerate(opened):
            assert database.query("SELECT count(*) FROM company").rows == ((number,),)
    assert len(_processes.kept) == 1, "one statement at a time needs no more"


def test_only_a_few_processes_serve_many_databases_at_once() -> None:
    end_kept()
    start = threading.Barrier(12)

    def ask(number: int) -> object:
        with Database([COMPANIES]) as opened:
            start.wait()
            return opened.query(f"SELECT {number} + count(*) FROM company").rows[0][0]

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, range(12))) == list(range(4, 16))
    assert len(_processes.kept) <= 4


def test_several_threads_may_ask_one_database(database: Database) -> None:
    start = threading.Barrier(4)

    def ask(number: int) -> object:
        start.wait()
        return database.query(f"SELECT {number} + count(*) FROM company").rows[0][0]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [4, 5, 6, 7]


def test_a_closed_database_says_so() -> None:
    opened = Database([COMPANIES])
    opened.close()
    with pytest.raises(SqlError, match="closed"):
        opened.query("SELECT 1")


def test_a_large_table_is_loaded() -> None:
    rows = tuple(company(f"Company {number}", revenue=float(number), products=("a", str(number))) for number in range(20_000))
    with Database([COMPANIES.model_copy(update={"rows": rows})]) as opened:
        assert opened.query("SELECT count(*), sum(revenue), max(len(products)) FROM company").rows == (
            (20_000, 199_990_000.0, 2),
        )
        assert opened.query("SELECT products FROM company WHERE name = 'Company 777'").rows == ((("a", "777"),),)
