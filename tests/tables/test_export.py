"""Tables for other tools: what records, data frames and CSV hold, and that no spreadsheet computes what a document says."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extagents.errors import InputError, SettingsError
from extagents.tabular import CellValue, Column, Table, TableCell, TableRow

COLUMNS = (
    Column(name="staff", type="number", description="people"),
    Column(name="area", type="number", unit="km²", description="area"),
    Column(name="founded", type="date", description="day"),
    Column(name="listed", type="boolean", description="whether listed"),
    Column(name="seat", type="text", description="town"),
    Column(name="owners", type="list", description="owners"),
)
NAMES = ["name", "staff", "area", "founded", "listed", "seat", "owners"]


def line(name: str, *values: CellValue | None, **cells: TableCell) -> TableRow:
    return TableRow(
        name=name,
        values=dict(zip(NAMES[1:], [*values, *[None] * 6][: len(COLUMNS)], strict=True)),
        cells=cells,
        documents=("a",),
    )


def made(*rows: TableRow) -> Table:
    return Table(name="firm", entity="firm", columns=COLUMNS, rows=rows)


CELL = TableCell(raw="1,200", quote="It employs 1,200 people.", document="a.md", start=5, end=29, page=2)
FULL = made(
    line("Acme", 1200.0, 1.5, "1990-02-03", True, "Bonn", ("Ann", "Bo"), staff=CELL),
    line("Beta", 7, 2, "1990-02", False, 'He said "no", then\nleft', ()),
    line("Gamma"),
)


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_records_hold_every_column_of_every_row() -> None:
    first, second, third = FULL.records()
    assert list(first) == NAMES
    assert first == dict(zip(NAMES, ["Acme", 1200.0, 1.5, "1990-02-03", True, "Bonn", ["Ann", "Bo"]], strict=True))
    assert second["owners"] == []
    assert third == {"name": "Gamma", **dict.fromkeys(NAMES[1:])}


def test_records_tell_where_values_stand_if_asked() -> None:
    first = FULL.records(sources=True)[0]
    parts = {key.removeprefix("staff."): value for key, value in first.items() if key.startswith("staff.")}
    assert parts == {"document": "a.md", "start": 5, "end": 29, "page": 2, "quote": "It employs 1,200 people."}
    assert first["area.quote"] is None


def test_a_pandas_frame_has_the_types_of_the_columns() -> None:
    frame = FULL.to_pandas()
    types = {name: str(frame[name].dtype) for name in NAMES}
    assert types["staff"] == "Int64"
    assert types["area"] == "Float64"
    assert types["founded"] == "datetime64[s]"
    assert types["listed"] == "boolean"
    assert types["seat"] == types["name"] == "string"
    assert frame["staff"].sum() == 1207
    assert frame["founded"][0] == datetime(1990, 2, 3)
    assert frame["founded"][1] == datetime(1990, 2, 1)
    assert frame["owners"][0] == ["Ann", "Bo"]
    assert frame.loc[2].drop("name").isna().all()


def test_a_polars_frame_has_the_types_of_the_columns() -> None:
    import polars

    frame = FULL.to_polars()
    assert frame.schema == {
        "name": polars.String,
        "staff": polars.Int64,
        "area": polars.Float64,
        "founded": polars.Date,
        "listed": polars.Boolean,
        "seat": polars.String,
        "owners": polars.List(polars.String),
    }
    assert frame["staff"].to_list() == [1200, 7, None]
    assert frame["founded"].to_list() == [date(1990, 2, 3), date(1990, 2, 1), None]
    assert frame["owners"].to_list() == [["Ann", "Bo"], [], None]


@pytest.mark.parametrize("sources", [False, True])
def test_a_table_without_rows_keeps_its_columns_and_types(sources: bool) -> None:
    pandas, polars = made().to_pandas(sources=sources), made().to_polars(sources=sources)
    assert list(pandas.columns) == list(polars.columns)
    assert len(pandas.columns) == (37 if sources else 7)
    assert str(pandas["listed"].dtype) == "boolean"
    assert str(polars["owners"].dtype) == "List(String)"
    assert len(parsed(made().to_csv(sources=sources))) == 1


def test_numbers_and_dates_beyond_what_most_tools_hold_are_kept() -> None:
    table = made(line("Rome", 10**30, 1e300, "0753-04-21"), line("X", None, None, "never"))
    assert table.to_pandas()["staff"][0] == 1e30
    assert table.to_polars()["staff"][0] == 1e30
    assert table.to_pandas()["founded"][0].year == 753
    assert table.to_polars()["founded"].to_list() == [date(753, 4, 21), None]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_library_that_is_missing_is_told_how_to_get(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SettingsError) as caught:
        getattr(FULL, f"to_{library}")()
    assert f'pip install "extagents[{library}]"' in str(caught.value)


def test_frames_load_their_library_only_when_they_are_made() -> None:
    script = (
        "import sys; from extagents.tabular import Table; import extagents.tables.export, extagents.tables.building\n"
        "Table(name='t', entity='t', columns=()).to_csv()\n"
        "print([name for name in ('pandas', 'polars', 'numpy', 'duckdb', 'rapidfuzz') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------ CSV


def test_csv_reads_back_as_it_was_written() -> None:
    text = FULL.to_csv()
    assert text.endswith("\r\n")
    assert parsed(text) == [
        NAMES,
        ["Acme", "1200", "1.5", "1990-02-03", "true", "Bonn", "Ann; Bo"],
        ["Beta", "7", "2", "1990-02", "false", 'He said "no", then\nleft', ""],
        ["Gamma", "", "", "", "", "", ""],
    ]
    assert "It employs 1,200 people." in FULL.to_csv(sources=True)


def test_items_that_hold_the_mark_between_items_are_written_as_json() -> None:
    assert parsed(made(line("A", None, None, None, None, None, ("x; y", "é"))).to_csv())[1][-1] == '["x; y", "é"]'


@pytest.mark.parametrize(
    "hostile",
    [
        "=1+1",
        "=cmd|' /C calc'!A0",
        "+SUM(A1)",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(1)",
        "\t=1+1",
        "\r=1",
        "\n=1",
        "  =1+1",
        "＝1+1",
        '=HYPERLINK("http://x")',
    ],
)
def test_a_formula_is_made_text(hostile: str) -> None:
    table = made(line(hostile, None, None, None, None, hostile, (hostile,)))
    row = parsed(table.to_csv())[1]
    assert [row[0], row[5], row[6]] == [f"'{hostile}"] * 3


@pytest.mark.parametrize("number", ["-5", "+49", "-1,234.5", "-3%", "+1e5"])
def test_plain_numbers_are_left_alone(number: str) -> None:
    assert parsed(made(line(number)).to_csv())[1][0] == number


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5))
def test_any_text_comes_back_but_for_the_apostrophe(texts: list[tuple[str, str]]) -> None:
    rows = parsed(made(*(line(name, None, None, None, None, seat) for name, seat in texts)).to_csv())[1:]
    for row, (name, seat) in zip(rows, texts, strict=True):
        assert row[0] in (name, f"'{name}")
        assert row[5] in (seat, f"'{seat}")
        assert not row[5].startswith(("=", "@", "\t"))


def test_csv_is_written_to_a_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o640)
    text = made(line("磨坊", None, None, None, None, "\ud800")).to_csv(target)
    assert target.read_bytes() == text.encode("utf-8", "replace")
    assert target.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["rows.csv"]


def test_what_stood_there_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "rows.csv"
    target.write_text("old", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        FULL.to_csv(target)
    assert target.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["rows.csv"]


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        FULL.to_csv(tmp_path / "none" / "rows.csv")
    with pytest.raises(InputError, match="it is a folder"):
        FULL.to_csv(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_no_number_is_empty_in_records_and_csv() -> None:
    rows = [line(str(value), value, value) for value in (float("inf"), float("-inf"), float("nan"))]
    table = made(*rows)
    assert all((record["staff"], record["area"]) == (None, None) for record in table.records())
    assert "inf,,,,,,\r\n" in table.to_csv()
    assert table.to_pandas()["area"].isna().all()
