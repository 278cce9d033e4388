"""The extractive model reads labelled lines, tables, records and plain sentences into rows, and proposes what to read."""

from __future__ import annotations

import pytest

from extagents.models.extraction import tabular
from extagents.models.extraction.planning import kind_of
from extagents.tabular import Column, ProposedTable, ReportedRow, TableSchema
from extagents.types import NamesInput, RowsInput, SchemaInput, Section, ShardText, SqlInput

REVENUE = Column(name="revenue", type="number", unit="USD", description="the value under the label “Revenue”")
SECTOR = Column(name="sector", type="text", description="the value under the label “Sector”")
PRODUCTS = Column(name="products", type="list", description="the value under the label “Products”")


def section(text: str, title: str = "Acme Corp", head: str = "") -> Section:
    return Section(document=title, title=title, text=text, start=0, end=len(text), head=head)


def read(
    *sections: Section, columns: tuple[Column, ...] = (REVENUE, SECTOR), entity: str = "company", documents: str = ""
) -> list[ReportedRow]:
    table = TableSchema(entity=entity, documents=documents, columns=columns)
    return tabular.rows(RowsInput(shard=ShardText(id="s", sections=sections), table=table)).rows


def cells(row: ReportedRow) -> dict[str, str]:
    return {cell.column: cell.value for cell in row.cells}


@pytest.mark.parametrize(
    "text",
    [
        "Revenue: $1.2 billion\nSector: Energy\n",
        "- **Revenue:** $1.2 billion\n- **Sector:** Energy\n",
        "**Revenue** | $1.2 billion\n**Sector** | Energy\n",
        "| Item | Value |\n|---|---|\n| Net sales | $1.2 billion |\n| Industry | Energy |\n",
        '{\n  "revenue": "$1.2 billion",\n  "sector": "Energy"\n}\n',
        "---\nrevenue: $1.2 billion\nsector: Energy\n---\n",
        "Revenue ........ $1.2 billion\nSector ........ Energy\n",
        "The company operates in the Energy sector. Acme Corp reported revenue of $1.2 billion for the year.\n",
        "营业收入：$1.2 billion\n行业：Energy\n",
    ],
)
def test_labelled_values_of_any_layout_become_one_row(text: str) -> None:
    (row,) = read(section(text))
    assert row.entity == "Acme Corp"
    assert cells(row) == {"revenue": "$1.2 billion", "sector": "Energy"}
    assert all(cell.quote in text for cell in row.cells)


def test_a_table_of_many_gives_a_row_each_and_says_its_unit() -> None:
    text = "| Company | Revenue (USD million) | Sector |\n|---|---|---|\n| Acme | 1,200 | Energy |\n| Beta | 30 | Retail |\n"
    rows = read(section(text, title="Overview"))
    assert [(row.entity, cells(row)["revenue"], cells(row)["sector"]) for row in rows] == [
        ("Acme", "1,200 USD million", "Energy"),
        ("Beta", "30 USD million", "Retail"),
    ]
    assert all(cell.quote in text for row in rows for cell in row.cells)


def test_a_table_that_begins_in_another_shard_is_read_with_its_header() -> None:
    rows = read(section("| Gamma | 7 | Health |\n", head="| Company | Revenue | Sector |\n|---|---|---|\n"))
    assert [(row.entity, cells(row)) for row in rows] == [("Gamma", {"revenue": "7", "sector": "Health"})]


def test_records_of_json_lines_are_rows() -> None:
    text = '{"name": "Acme", "revenue": 5, "products": ["a", "b"]}\n{"name": "Beta", "revenue": 6}\n'
    rows = read(section(text), columns=(REVENUE, PRODUCTS))
    assert [(row.entity, cells(row)) for row in rows] == [
        ("Acme", {"revenue": "5", "products": "a; b"}),
        ("Beta", {"revenue": "6"}),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Cloud revenue: $3 million\n",
        "Revenue - note: figures of $3 million were restated\n",
        "Revenue growth: 12%\n",
        "Deferred revenue was $3 million.\n",
        "By comparison, revenue of Beta is said to be $3 million.\n",
        "Revenue growth of 5% was reported.\n",
    ],
)
def test_what_is_another_thing_is_not_taken(text: str) -> None:
    assert read(section(text), columns=(REVENUE,)) == []


def test_lines_of_another_year_are_not_taken_and_matrix_tables_tell_theirs() -> None:
    wanted = Column(
        name="growth_rate_2024", type="number", unit="%", description="the value under the label “Growth rate 2024”"
    )
    text = "Growth rate 2023: 1%\nGrowth rate 2024: 2% (2024 est.)\n"
    assert [cells(row) for row in read(section(text), columns=(wanted,))] == [{"growth_rate_2024": "2%"}]
    assert read(section("Growth rate 2023: 1%\n"), columns=(wanted,)) == []
    matrix = "| Metric | 2023 | 2024 |\n|---|---|---|\n| Growth rate (%) | 1.5 | 2.5 |\n"
    assert [cells(row) for row in read(section(matrix), columns=(wanted,))] == [{"growth_rate_2024": "2.5"}]


def test_the_latest_year_stands_for_a_column_without_one() -> None:
    text = "Revenue 2021: $1 million\nRevenue 2023: $3 million\nRevenue 2022: $2 million\n"
    assert cells(read(section(text), columns=(REVENUE,))[0]) == {"revenue": "$3 million"}


def test_the_name_is_what_the_document_gives_or_its_cleaned_title() -> None:
    assert read(section("Company: Acme Corp\nRevenue: $5\n", title="Filing 17"))[0].entity == "Acme Corp"
    assert read(section("Revenue: $5\n", title="Acme Corp – Annual report 2023"))[0].entity == "Acme Corp"
    told = "documents titled “Dossier on …”"
    assert read(section("Revenue: $5\n", title="Dossier on Acme Corp"), documents=told)[0].entity == "Acme Corp"


def test_the_documents_date_goes_with_the_row() -> None:
    assert read(section("As of: 2024-03-31\nRevenue: $5\n"))[0].date == "2024-03-31"


def propose(*questions: str, text: str, existing: tuple[TableSchema, ...] = ()) -> list[ProposedTable]:
    sample = ShardText(id="s", sections=(section(text), section(text.replace("Energy", "Retail"), title="Beta")))
    return tabular.schema(
        SchemaInput(questions=questions, sample=sample, sources=("Acme Corp", "Beta"), existing=existing)
    ).tables


PROFILE = (
    "Revenue: $1.2 billion\nSector: Energy\nHeadcount: 1,200\nFounded: 1990\nArea - total: 5 sq km\nArea - land: 4 sq km\n"
    "Exports - partners: Spain 10%, UAE 5%\n"
)


def test_the_columns_of_all_questions_are_proposed_with_type_and_unit() -> None:
    (table,) = propose(
        "How many companies in the Energy sector have a revenue above $1 billion?",
        "Which company has the largest total area?",
        "Which of the companies list the UAE among their export partners?",
        text=PROFILE,
    )
    found = {column.name: (column.type, column.unit) for column in table.columns}
    assert found == {
        "revenue": ("number", "USD"),
        "sector": ("text", ""),
        "total_area": ("number", "sq km"),
        "export_partners": ("list", ""),
    }
    assert "“Area - total”" in next(c.description for c in table.columns if c.name == "total_area")
    assert table.whole == [1, 2, 3]
    assert table.entity == "company"


def test_a_column_that_is_there_already_is_used_again() -> None:
    known = TableSchema(entity="company", columns=(REVENUE,))
    (table,) = propose("Which company has the highest revenue?", text=PROFILE, existing=(known,))
    assert table.columns == [REVENUE]


def test_no_table_where_the_sample_has_no_such_line() -> None:
    assert propose("Which company has the highest dividend?", text=PROFILE) == []
    assert propose("Why did the parser change?", text=PROFILE) == []


def test_a_statement_that_failed_is_not_written_again() -> None:
    failed = SqlInput(question="How many companies are there?", tables=(), failed="SELECT 1", error="no")
    assert tabular.sql(failed).sql == ""


def test_names_that_differ_in_legal_form_alone_are_the_same() -> None:
    pairs = (("Acme Corp", "Acme Corporation"), ("Acme", "Acme Energy"), ("IBM", "International Business Machines"))
    assert tabular.names(NamesInput(entity="company", pairs=pairs)).same == [1, 3]


@pytest.mark.parametrize(
    "question",
    [
        "Which of the country profiles in this collection list Netherlands among their export partners?",
        "What percentage of the companies have a revenue above $1 billion?",
        "Among the country profiles in this collection, which one has the longest coastline?",
        "Which has the higher 2024 growth rate: Nauru or Malta?",
        "How many companies have more than 500 employees?",
        "营业收入超过5亿元的公司有多少家？",
        "所有公司的平均员工人数是多少？",
    ],
)
def test_corpus_questions_are_planned_as_aggregates(question: str) -> None:
    assert kind_of(question) == "aggregate"


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of France?",
        "Which film was released first, Alien or Jaws?",
        "Who founded Acme?",
        "Acme的总部在哪里？",
    ],
)
def test_questions_about_one_thing_are_not(question: str) -> None:
    assert kind_of(question) != "aggregate"


LIBRARIES = tuple(
    section(f"# {town} Library\n\nCountry: {country}\nVolumes: {volumes}\nOpened: {opened}\n", title=f"{town} Library")
    for town, country, volumes, opened in (
        ("Northfield", "Norland", "120,000", "1902"),
        ("Eastbrook", "Vestria", "85,000", "1967"),
        ("Southmere", "Norland", "240,500", "1954"),
    )
)
图书馆 = tuple(
    section(f"# {town}图书馆\n\n所在省份：{place}\n藏书量：{volumes}万册\n", title=f"{town}图书馆")
    for town, place, volumes in (("北城", "江河省", 12), ("东溪", "云岭省", 8.5), ("南湖", "江河省", 24))
)


def asked(question: str, sections: tuple[Section, ...], existing: tuple[TableSchema, ...] = ()) -> list[ProposedTable]:
    sample = ShardText(id="s", sections=sections)
    return tabular.schema(SchemaInput(questions=(question,), sample=sample, existing=existing)).tables


@pytest.mark.parametrize(
    ("question", "sections", "columns"),
    [
        ("How many libraries are there?", LIBRARIES, {"country"}),
        ("Which country has the most libraries?", LIBRARIES, {"country"}),
        ("How many libraries are in Norland?", LIBRARIES, {"country"}),
        ("Rank the libraries by volumes.", LIBRARIES, {"volumes"}),
        ("What are the volumes of each library?", LIBRARIES, {"volumes"}),
        ("List all libraries with their volumes and the year they were opened.", LIBRARIES, {"volumes", "year_opened"}),
        ("有多少家图书馆？", 图书馆, {"所在省份"}),
        ("哪些图书馆的藏书量超过10万册？", 图书馆, {"藏书量"}),
        ("平均藏书量是多少？", 图书馆, {"藏书量"}),
        ("哪个省份的图书馆最多？", 图书馆, {"省份"}),
    ],
)
def test_plain_questions_over_profiles_get_their_columns(
    question: str, sections: tuple[Section, ...], columns: set[str]
) -> None:
    (table,) = asked(question, sections)
    assert {column.name for column in table.columns} == columns
    assert table.whole == [1]
    assert kind_of(question) == "aggregate"


def test_a_column_under_the_same_label_is_used_again_whatever_the_question_calls_it() -> None:
    volumes = Column(name="volumes", type="number", description="the value under the label “Volumes”")
    known = TableSchema(entity="library", columns=(volumes,))
    (table,) = asked("What is the total number of volumes?", LIBRARIES, existing=(known,))
    assert table.columns == [volumes]


def test_labels_that_a_request_names_are_columns_though_it_is_no_question() -> None:
    (table,) = asked("libraries, country and volumes", LIBRARIES)
    assert {column.name for column in table.columns} == {"country", "volumes"}
    assert table.whole == []


def test_what_no_document_says_is_not_counted_by_group() -> None:
    assert all(not table.whole for table in asked("Which country has the most visitors?", LIBRARIES))


def test_every_label_that_a_description_quotes_is_read() -> None:
    column = Column(name="volumes", type="number", description='the value under the label “Volumes” (“Holdings”, "Books held")')
    for label in ("Volumes", "Holdings", "Books held"):
        assert [cells(row) for row in read(section(f"{label}: 7,000\n"), columns=(column,))] == [{"volumes": "7,000"}]


def test_percentages_in_words_of_chinese_are_figures() -> None:
    column = Column(name="rate", type="number", unit="%", description="the value under the label “失业率”")
    assert [cells(row) for row in read(section("失业率：百分之4.71\n"), columns=(column,))] == [{"rate": "百分之4.71"}]


AREA = Column(name="area", type="number", description="the value under the label “Area”")


def test_each_block_that_begins_with_a_name_is_a_row_of_its_own() -> None:
    text = (
        "Bridges of Malden\n\nLength: 5 m\n\nName: Old Bridge\nLength: 120 m\n\nName: New Bridge\nLength: 345 m\n\n"
        "Name: Rail Bridge\nLength: 0.8 km\n"
    )
    length = Column(name="length", type="number", description="the value under the label “Length”")
    rows = read(section(text, title="Bridges"), columns=(length,), entity="bridge")
    assert [(row.entity, cells(row)["length"]) for row in rows] == [
        ("Old Bridge", "120 m"),
        ("New Bridge", "345 m"),
        ("Rail Bridge", "0.8 km"),
    ]


def test_what_stands_before_the_first_name_of_a_later_part_is_of_nothing_known() -> None:
    text = "Revenue: $5 million\n\nCompany: Beta\nRevenue: $7 million\n"
    part = Section(document="all", title="All", text=text, start=900, end=900 + len(text))
    assert [(row.entity, cells(row)) for row in read(part, columns=(REVENUE,))] == [("Beta", {"revenue": "$7 million"})]


@pytest.mark.parametrize(
    "total",
    ["Total", "**Total**", "Grand total", "All branches", "Sum", "Average", "Subtotal North", "合计", "总计", "小计", "平均"],
)
def test_a_row_of_totals_is_none_of_the_things(total: str) -> None:
    text = f"| Branch | Staff |\n|---|---|\n| Ald | 100 |\n| All Saints | 200 |\n| {total} | **300** |\n"
    staff = Column(name="staff", type="number", description="the value under the label “Staff”")
    assert [row.entity for row in read(section(text), columns=(staff,), entity="branch")] == ["Ald", "All Saints"]


def test_a_company_called_total_is_read_where_a_document_is_its_own() -> None:
    assert [row.entity for row in read(section("Revenue: $5 million\n", title="Total"), columns=(REVENUE,))] == ["Total"]


def test_a_table_of_another_kind_of_thing_is_left_out() -> None:
    lakes = "| Lake | Area |\n|---|---|\n| Arvo | 10 |\n| Bel | 20 |\n"
    dams = "| Dam | Area |\n|---|---|\n| Cor | 500 |\n"
    both = section(f"# Survey\n\n{lakes}\n# Dams\n\n{dams}")
    assert [row.entity for row in read(both, columns=(AREA,), entity="lake")] == ["Arvo", "Bel"]
    assert [row.entity for row in read(both, columns=(AREA,), entity="dam")] == ["Cor"]
    assert [row.entity for row in read(section(lakes), columns=(AREA,), entity="water")] == ["Arvo", "Bel"]


def test_namesakes_in_one_table_are_told_as_they_stand() -> None:
    text = "| Library | Country | Volumes |\n|---|---|---|\n| Central | US | 100 |\n| Central | Canada | 300 |\n"
    columns = tuple(
        Column(name=name, type="text" if name == "country" else "number", description=f"the value under the label “{name}”")
        for name in ("country", "volumes")
    )
    records = '{"name": "Central", "country": "US", "volumes": 100}\n{"name": "Central", "country": "Canada", "volumes": 300}\n'
    for told in (text, records):
        rows = [row for row in read(section(told), columns=columns, entity="library") if row.entity == "Central"]
        assert [cells(row) for row in rows] == [
            {"country": "US", "volumes": "100"},
            {"country": "Canada", "volumes": "300"},
        ]


@pytest.mark.parametrize("value", ["n/a", "not known", "—", "不详"])
def test_a_thing_whose_value_is_not_known_is_told_with_the_words_that_say_so(value: str) -> None:
    (row,) = read(section(f"Revenue: {value}\n"), columns=(REVENUE,))
    assert (row.entity, cells(row), row.cells[0].quote) == ("Acme Corp", {"revenue": value}, f"Revenue: {value}")


def test_a_value_is_better_than_none_under_the_same_label() -> None:
    (row,) = read(section("Revenue: n/a\nRevenue: $5 million\n"), columns=(REVENUE,))
    assert cells(row) == {"revenue": "$5 million"}


def _types(question: str, text: str) -> dict[str, str]:
    shard = ShardText(id="s", sections=(section(text, title="All"),))
    tables = tabular.schema(SchemaInput(questions=(question,), sources=("All",), sample=shard)).tables
    return {column.name: column.type for table in tables for column in table.columns}


def test_values_that_are_not_known_do_not_make_a_column_one_of_words() -> None:
    text = "| City | Population |\n|---|---|\n| Arden | 120,000 |\n| Dorn | n/a |\n| Elva | not known |\n| Fosk | n/a |\n"
    assert _types("Which city has the largest population?", text) == {"population": "number"}


@pytest.mark.parametrize("code", ["Customer {}", "ORD-000{}", "srv-{}", "客户 {}"])
def test_a_column_of_identifiers_is_one_of_words(code: str) -> None:
    lines = "".join(f"| o{number} | {code.format(number)} |\n" for number in range(10, 16))
    text = f"| Order | Customer |\n|---|---|\n{lines}"
    assert _types("How many different customers are there?", text) == {"customers": "text"}


def test_a_value_under_labels_that_differ_in_case_alone_has_one_column() -> None:
    text = "City: Garn\nCountry: Norland\nPopulation: 5\n"
    others = (
        '{"city": "Elva", "country": "Estland", "population": 6}\n{"city": "Fosk", "country": "Norland", "population": 7}\n'
    )
    shard = ShardText(id="s", sections=(section(text, title="Garn"), section(others, title="all")))
    asked = SchemaInput(questions=("How many cities are in Norland?",), sources=("Garn", "all"), sample=shard)
    (table,) = tabular.schema(asked).tables
    assert [(column.name, column.type, column.description) for column in table.columns] == [
        ("country", "text", "the value under the label “Country”, “country”")
    ]


@pytest.mark.parametrize(
    "question",
    [
        "Does Alder Foods have more employees than Birch Labs?",
        "Which companies have the same headquarters as Alder Foods?",
        "How much deeper is Lake Arvo than Lake Belmar?",
        "How many companies have their headquarters in Berlin?",
        "What is the average salary in Engineering?",
        "总部在上海的公司中，员工最多的是哪家？",
    ],
)
def test_what_compares_rows_is_planned_over_all_of_them(question: str) -> None:
    assert kind_of(question) == "aggregate"


def test_a_label_of_another_thing_is_not_meant_by_the_words_behind_its_dash() -> None:
    text = "Literacy - total population: 94%\nSex ratio - total population: 0.9\nArea: 5\nCoastline: 7\nTerrain: flat\n"
    shard = ShardText(id="s", sections=(section(text, title="Aland"),))
    question = "How many of the countries have a total population above 2,000,000?"
    tables = tabular.schema(SchemaInput(questions=(question,), sources=("Aland",), sample=shard)).tables
    assert all("Literacy" not in column.description for table in tables for column in table.columns)


LISTED = "| Company | Listed | Founded |\n|---|---|---|\n| Acme | yes | 1913 |\n| Beta | no | 1991 |\n| Gamma | yes | 1951 |\n"


def test_what_is_said_not_to_be_so_is_a_yes_or_no() -> None:
    assert _types("How many companies are not listed?", LISTED) == {"listed": "boolean"}


def test_a_column_that_a_noun_tells_of_is_none_of_names() -> None:
    founded = Column(name="founded", type="number", description="the value under the label “Founded”")
    rows = read(section(LISTED), columns=(founded,), entity="listed company")
    assert [row.entity for row in rows] == ["Acme", "Beta", "Gamma"]


def test_what_a_noun_tells_of_is_a_condition_and_no_part_of_what_rows_are() -> None:
    shard = ShardText(id="s", sections=(section(LISTED, title="All"),))
    question = "How many listed companies were founded after 1950?"
    (table,) = tabular.schema(SchemaInput(questions=(question,), sources=("All",), sample=shard)).tables
    assert table.entity == "company"
    assert {column.name: column.type for column in table.columns} == {"founded": "number", "listed": "boolean"}


def test_rows_may_be_what_is_counted_for_each_of_those_that_are_asked_for() -> None:
    lines = "".join(f"| ORD-00{number} | Customer {number % 3} |\n" for number in range(10, 19))
    shard = ShardText(id="s", sections=(section(f"| Order | Customer |\n|---|---|\n{lines}", title="All"),))
    question = "Which customer has the most orders?"
    (table,) = tabular.schema(SchemaInput(questions=(question,), sources=("All",), sample=shard)).tables
    assert (table.entity, [(column.name, column.type) for column in table.columns]) == ("order", [("customer", "text")])
