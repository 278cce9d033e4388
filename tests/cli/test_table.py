"""`extagents table` and `runs show --table`: rows as data on stdout or in a file, whole or not at all, and what is told."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import signal
import stat
import sys
from pathlib import Path

import pytest

from extagents.budget import Budget
from extagents.cli.answer_view import page, unanswered
from extagents.cli.live import Panel, RunState
from extagents.cli.table import encoded, remarks, status_of
from extagents.cli.table import rows_of as rows_of_answer
from extagents.tabular import Column, Table, TableCell, TableRow

QUESTION = "Which libraries have more than 200,000 volumes?"
LIBRARIES = {
    "aldmoor": ("Aldmoor Library", "240,000"),
    "brekke": ("Brekke Library", "96,500"),
    "casa": ("Casa das Letras", "1.2 million"),
    "dunholm": ("Dunholm Library", "410,000"),
}
ANSWER = "Aldmoor Library, Casa das Letras, Dunholm Library"


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """Profiles of four libraries, and a later report that says something else of one."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    for name, (library, volumes) in LIBRARIES.items():
        told = f"Name: {library}\nCountry: Ireland\nVolumes: {volumes}\n"
        (folder / f"{name}.md").write_text(f"# {library}\n\n{told}", encoding="utf-8")
    report = "# Report\n\nDate: 2021-03-01\nName: Brekke Library\nVolumes: 104,000\n"
    (folder / "report.md").write_text(report, encoding="utf-8")
    return folder


def table(cli, over: object, *arguments: str, question: str = QUESTION):
    return cli("table", question, "--over", str(over), *arguments)


def rows_of(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


# ------------------------------------------------------------------ what comes out


def test_stdout_holds_the_rows_as_csv_and_stderr_what_is_to_be_said_of_them(cli, libraries):
    ran = table(cli, libraries, "--memory", "memory://")
    assert ran.status == 0, ran.err
    rows = rows_of(ran.out)
    assert {row["name"]: row["volumes"] for row in rows} == {
        "Aldmoor Library": "240000",
        "Brekke Library": "104000",
        "Casa das Letras": "1200000",
        "Dunholm Library": "410000",
    }
    assert "table: 4 rows of " in ran.err
    assert re.search(
        r"^conflict: Brekke Library, volumes: 104,000.* \(report\.md\), not 96,500.* \(brekke\.md\)", ran.err, re.M
    )
    assert "read: 100% · " in ran.err
    assert "answers this question" not in ran.err


def test_quiet_leaves_the_rows_alone(cli, libraries):
    ran = table(cli, libraries, "--memory", "memory://", "--quiet")
    assert (ran.status, ran.err) == (0, "")
    assert len(rows_of(ran.out)) == 4


def test_sources_say_where_every_value_stands(cli, libraries):
    ran = table(cli, libraries, "--memory", "memory://", "--sources", "--quiet")
    for row in rows_of(ran.out):
        text = (libraries / row["volumes.document"]).read_text(encoding="utf-8")
        quote = text[int(row["volumes.start"]) : int(row["volumes.end"])]
        assert quote == row["volumes.quote"] != ""


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.jsonl", "rows.json", "rows.parquet", "ROWS.CSV"])
def test_the_name_says_the_form(cli, libraries, tmp_path, name):
    out = tmp_path / name
    ran = table(cli, libraries, "--memory", "memory://", "--out", str(out))
    assert (ran.status, ran.out) == (0, ""), ran.err
    assert f"written: {out} · 4 rows" in ran.err
    form = out.suffix.lower()
    if form in (".csv", ".tsv"):
        with out.open(encoding="utf-8", newline="") as file:
            read = rows_of(file.read(), "\t" if form == ".tsv" else ",")
    elif form == ".jsonl":
        read = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    elif form == ".json":
        read = json.loads(out.read_text(encoding="utf-8"))
    else:
        from pyarrow import parquet, types

        stored = parquet.read_table(out)
        assert types.is_integer(stored.schema.field("volumes").type)
        read = stored.to_pylist()
    assert {row["name"]: int(row["volumes"]) for row in read}["Casa das Letras"] == 1_200_000
    assert len(read) == 4


def test_json_is_the_whole_answer_with_its_table_also_beside_a_file(cli, libraries, tmp_path):
    out = tmp_path / "rows.csv"
    ran = table(cli, libraries, "--memory", "memory://", "--json", "--out", str(out))
    printed = json.loads(ran.out)
    assert ran.status == 0
    assert (printed["answer"], printed["answered"]) == ("", False)
    assert len(printed["table"]["rows"]) == 4
    assert printed["table"]["rows"][0]["cells"]["volumes"]["quote"]
    assert printed["table"]["conflicts"][0]["name"] == "Brekke Library"
    assert len(rows_of(out.read_text(encoding="utf-8"))) == 4


def test_a_chinese_question_over_chinese_documents(cli, tmp_path):
    folder = tmp_path / "图书馆"
    folder.mkdir()
    for name, volumes in (("临江图书馆", "24万"), ("青山图书馆", "9,650"), ("白塔图书馆", "120万")):
        (folder / f"{name}.md").write_text(f"# {name}\n\n名称：{name}\n藏书量：{volumes}册\n", encoding="utf-8")
    out = tmp_path / "藏书.csv"
    ran = table(cli, folder, "--memory", "memory://", "--out", str(out), question="哪座图书馆的藏书量最大？")
    assert ran.status == 0, ran.err
    rows = rows_of(out.read_text(encoding="utf-8"))
    assert {row["name"] for row in rows} == {"临江图书馆", "青山图书馆", "白塔图书馆"}
    assert sorted(float(value) for row in rows for column, value in row.items() if column != "name") == [
        9_650,
        240_000,
        1_200_000,
    ]


def test_formulas_of_documents_are_no_formulas_in_a_spreadsheet(cli, tmp_path):
    folder = tmp_path / "libraries"
    folder.mkdir()
    for number, name in enumerate(('=HYPERLINK("http://x")', "+cmd|' /C calc'!A0", "Aldmoor Library")):
        (folder / f"{number}.md").write_text(f"Name: {name}\nVolumes: {number + 3}00,000\n", encoding="utf-8")
    ran = table(cli, folder, "--memory", "memory://", "--quiet")
    assert ran.status == 0
    for row in rows_of(ran.out):
        assert row["name"][0] not in "=+-@", row


def a_table(**changes: object) -> Table:
    """Two appointments, one of them half known, with a value of every type."""
    types = {"since": "date", "votes": "number", "paid": "boolean", "tasks": "list", "note": "text"}
    known = {"since": "2020-05", "votes": 17, "paid": True, "tasks": ("keys", "post"), "note": "half a \ud83d pair"}
    cell = TableCell(raw="17", quote="17 votes", document="a.md", start=3, end=11, page=2)
    rows = (
        TableRow(name="Ilse Brandt", values=known, cells={"votes": cell}, documents=("a.md",)),
        TableRow(name="Casper Quist", values=dict.fromkeys(types)),
    )
    columns = tuple(Column(name=name, type=type_, description="") for name, type_ in types.items())
    fields = {"name": "appointment", "entity": "appointment", "columns": columns, "rows": rows}
    return Table.model_validate({**fields, "without": {"votes": ("Casper Quist",)}, "doubted": 1, **changes})


def test_parquet_has_the_columns_types():
    from pyarrow import parquet

    stored = parquet.read_table(io.BytesIO(encoded(a_table(), "parquet", sources=True)))
    told = {field.name: str(field.type) for field in stored.schema}
    assert {name: told[name] for name in ("name", "since", "votes", "paid", "note")} == {
        "name": "string",
        "since": "date32[day]",
        "votes": "int64",
        "paid": "bool",
        "note": "string",
    }
    assert told["tasks"].startswith("list<")
    first, second = stored.to_pylist()
    assert (str(first["since"]), first["tasks"], first["note"]) == ("2020-05-01", ["keys", "post"], "half a ? pair")
    assert (first["votes.document"], first["votes.start"], first["votes.page"]) == ("a.md", 3, 2)
    assert {second[name] for name in told if name != "name"} == {None}


def test_the_first_table_with_rows_is_given_and_the_others_are_told(answered):
    empty = a_table(name="company", entity="company", rows=(), without={}, doubted=0)
    answer = answered(answer="", answered=False, table=empty.model_copy(update={"others": (a_table(),)}))
    assert rows_of_answer(answer).name == "appointment"
    assert status_of(answer) == 0
    told = remarks(answer)
    assert told[0].startswith("table: 0 rows of company · 5 columns · 0 of 0 cells filled")
    assert told[1].startswith("table: 2 rows of appointment · 5 columns · 1 of 10 cells filled: since (date), votes (number)")
    assert told[2:4] == ["missing: votes of Casper Quist", "doubted: 1 value left out: no quote of the text holds it"]
    both = answered(answer="", answered=False, table=a_table(others=(a_table(name="second"),)))
    assert "note: its rows: extagents runs show monday --table --json" in remarks(both)
    assert status_of(answered(answer="", answered=False, table=empty)) == 3


def test_a_table_without_an_answer_is_not_told_as_a_failure(answered):
    from rich.console import Console

    made = answered(answer="", answered=False, citations=(), table=a_table())
    assert unanswered(made) == "A table, and no answer."
    out = Console(file=io.StringIO(), width=100, color_system=None)
    out.print(page(made, 100))
    assert "2 rows of appointment · 5 columns" in out.file.getvalue()
    assert "No answer" not in out.file.getvalue()
    computed = answered(answer="", answered=False, table=a_table(sql="SELECT 1"))
    assert unanswered(computed) == "Nothing in the input answers this question."


# ------------------------------------------------------------------ where nothing comes out


def test_where_nothing_is_tabular_the_status_is_3_and_a_file_stays_as_it_was(cli, tmp_path):
    folder = tmp_path / "tales"
    folder.mkdir()
    (folder / "tale.md").write_text("Once upon a time a miller walked to the sea, and nobody knew why.\n", encoding="utf-8")
    out = tmp_path / "rows.csv"
    out.write_text("before", encoding="utf-8")
    ran = table(cli, folder, "--memory", "memory://", "--out", str(out))
    assert (ran.status, ran.out) == (3, "")
    assert "could be put into rows" in ran.err
    assert out.read_text(encoding="utf-8") == "before"
    printed = json.loads(table(cli, folder, "--memory", "memory://", "--json").out)
    assert printed["table"] is None


def test_an_empty_folder_is_status_2(cli, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    ran = table(cli, empty, "--json")
    assert ran.status == 2
    assert json.loads(ran.out)["error"]["type"] == "InputError"


def test_a_budget_that_ends_is_status_4_and_a_resumed_run_ends_with_all_rows(cli, libraries, tmp_path):
    memory = ("--memory", f"sqlite:///{tmp_path / 'memory.sqlite'}")
    out = tmp_path / "rows.csv"
    cut = table(cli, libraries, *memory, "--run", "cut", "--out", str(out), "--max-calls", "4", "--shard-tokens", "256")
    assert cut.status == 4, cut.err
    assert "partial: the budget ended" in cut.err
    went_on = cli("runs", "resume", "cut", *memory, "--max-calls", "100")
    assert went_on.status == 0, went_on.err
    assert len(rows_of(went_on.out)) == 4
    assert "table: 4 rows" in went_on.err
    again = table(cli, libraries, *memory, "--run", "cut", "--resume", "--out", str(out), "--shard-tokens", "256")
    assert again.status == 0, again.err
    assert len(rows_of(out.read_text(encoding="utf-8"))) == 4
    assert json.loads(cli("runs", "resume", "cut", *memory, "--json").out)["table"]["rows"]


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("rows.xlsx", ".csv, .tsv, .jsonl, .json or .parquet"),
        ("rows", "which form"),
        ("-", "without --out, CSV goes to stdout"),
        ("no/such/folder/rows.csv", "does not exist"),
        ("folder", "is a folder"),
        ("folder.csv", "is a folder"),
        ("libraries/rows.csv", "which is read"),
        ("libraries/brekke.csv", "which is read"),
        ("n" * 300 + ".csv", "cannot be written"),
        ("locked.csv", "cannot be written"),
        ("fifo.csv", "is no plain file"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_anything_is_spent(cli, libraries, tmp_path, monkeypatch, out, said):
    for name in ("folder", "folder.csv"):
        (tmp_path / name).mkdir()
    (tmp_path / "locked.csv").write_text("before", encoding="utf-8")
    os.mkfifo(tmp_path / "fifo.csv")
    access = os.access
    # Root may write everything: what a file says of its rights is asked in its place.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked.csv" and access(path, mode))
    monkeypatch.setattr("extagents.cli.table.coordinator_of", lambda options: pytest.fail("a run was begun"))
    monkeypatch.chdir(tmp_path)
    ran = table(cli, "libraries", "--out", out)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert stat.S_ISFIFO(os.stat("fifo.csv").st_mode)


def test_the_input_itself_is_never_overwritten(cli, tmp_path):
    given = tmp_path / "given.csv"
    given.write_text("name,volumes\nAldmoor Library,240000\n", encoding="utf-8")
    (tmp_path / "link.csv").symlink_to(given)
    for out in (given, tmp_path / "link.csv"):
        ran = table(cli, given, "--out", str(out))
        assert ran.status == 2
        assert "would be overwritten" in ran.err
    assert given.read_text(encoding="utf-8").startswith("name,volumes\n")


def test_parquet_without_pyarrow_is_refused_before_anything_is_spent(cli, libraries, tmp_path, monkeypatch):
    monkeypatch.setattr("extagents.cli.table.coordinator_of", lambda options: pytest.fail("a run was begun"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    ran = table(cli, libraries, "--out", str(tmp_path / "rows.parquet"))
    assert (ran.status, ran.out) == (2, "")
    assert "extagents[parquet]" in ran.err


def test_a_file_that_cannot_be_replaced_stays_whole_and_the_rows_are_kept(cli, libraries, tmp_path, monkeypatch):
    out = tmp_path / "rows.csv"
    out.write_text("before", encoding="utf-8")
    out.chmod(0o640)
    assert table(cli, libraries, "--memory", "memory://", "--out", str(out)).status == 0
    assert out.stat().st_mode & 0o777 == 0o640
    out.write_text("before", encoding="utf-8")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    memory = ("--memory", "memory://")
    ran = table(cli, libraries, *memory, "--run", "kept", "--out", str(out), "--quiet")
    assert (ran.status, ran.out, out.read_text(encoding="utf-8")) == (1, "", "before")
    assert "no space left" in ran.err
    assert "runs show kept --table" in ran.err
    assert sorted(os.listdir(tmp_path)) == ["libraries", "rows.csv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["table", "--over", "d"], "It comes before --over"),
        (["table", "Q"], "--over"),
        (["table", "Q", "--over", "d", "--resume"], "--run NAME"),
        (["table", " ", "--over", "d"], "question is empty"),
    ],
)
def test_wrong_usage_is_status_2(cli, arguments, said):
    ran = cli(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_the_help_teaches(cli):
    ran = cli("table", "--help")
    assert ran.status == 0
    assert ran.out.startswith("usage: extagents table QUESTION --over PATH… [--out FILE] [options]\n")
    assert "examples:" in ran.out
    assert "--sources" in ran.out


async def test_ctrl_c_ends_with_status_4_and_valid_json(libraries):
    from extagents.testing.endpoint import FakeEndpoint, Fault

    async with FakeEndpoint(lambda body: Fault(hang=True)) as endpoint:
        command = [sys.executable, "-m", "extagents", "table", QUESTION, "--over", str(libraries), "--json"]
        more = ["--model", "openai:fake", "--base-url", endpoint.base_url, "--window", "16000", "--memory", "memory://"]
        process = await asyncio.create_subprocess_exec(
            *command, *more, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            await asyncio.wait_for(endpoint.hanging.wait(), 60)
            process.send_signal(signal.SIGINT)
            out, err = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 4, err
    printed = json.loads(out)
    assert (printed["stopped_by"], printed["table"]) == ("cancelled", None)


# ------------------------------------------------------------------ beside an answer, and in the memory


def test_ask_says_how_its_answer_was_computed(cli, libraries):
    ran = cli("ask", QUESTION, "--over", str(libraries), "--memory", "memory://")
    assert (ran.status, ran.out) == (0, ANSWER + "\n"), ran.err
    assert "computed: 4 rows of " in ran.err
    assert "SELECT" in ran.err
    assert "check: " in ran.err
    printed = json.loads(cli("ask", QUESTION, "--over", str(libraries), "--memory", "memory://", "--json").out)
    assert printed["table"]["sql"].startswith("SELECT")


def test_a_stored_run_shows_its_table(cli, libraries, tmp_path):
    memory = ("--memory", f"sqlite:///{tmp_path / 'memory.sqlite'}")
    assert cli("ask", QUESTION, "--over", str(libraries), *memory, "--run", "asked").status == 0
    ran = cli("runs", "show", "asked", "--table", *memory)
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[:2] == [lines[0], f"question  {QUESTION}"]
    assert lines[0].startswith("run       asked · done · ")
    assert any(line.startswith("row       Casa das Letras\t1,200,000") for line in lines)
    assert any(line.startswith("conflict  Brekke Library, volumes: 104,000") for line in lines)
    assert any(line.startswith("sql       SELECT") for line in lines)
    assert any(line.startswith("check     ") for line in lines)
    assert [line for line in lines if line.startswith("result    ")][1:] == [f"result    {name}" for name in ANSWER.split(", ")]
    printed = json.loads(cli("runs", "show", "asked", "--table", *memory, "--json").out)
    assert (printed["run"], len(printed["table"]["rows"])) == ("asked", 4)
    plain = cli("runs", "show", "asked", *memory).out
    assert "computed  4 rows of " in plain

    assert table(cli, libraries, *memory, "--run", "made").status == 0
    assert "row       Casa das Letras\t1,200,000" in cli("runs", "show", "made", "--table", *memory).out
    assert "table     4 rows of " in cli("runs", "show", "made", *memory).out


def test_years_are_shown_as_people_write_them():
    from extagents.wording import value

    assert value(1874.0) == value(1874, Column(name="opened", type="number", description="")) == "1874"
    assert value(1874, Column(name="area", type="number", unit="km²", description="")) == "1,874 km²"
    assert (value(18_740), value(0.5), value(True), value(None)) == ("18,740", "0.5", "yes", "")


def test_a_run_without_a_table_says_why(cli, libraries, tmp_path):
    memory = ("--memory", f"sqlite:///{tmp_path / 'memory.sqlite'}")
    assert cli("ask", "In which country is Dunholm Library?", "--over", str(libraries), *memory, "--run", "read").status in (
        0,
        3,
    )
    ran = cli("runs", "show", "read", "--table", *memory)
    assert (ran.status, ran.out) == (2, "")
    assert "has no table: it was answered by reading" in ran.err
    assert cli("compress", "Dunholm", "--over", str(libraries), "--tokens", "50", *memory, "--run", "cut").status == 0
    ran = cli("runs", "show", "cut", "--table", *memory, "--json")
    assert ran.status == 2
    assert "has no table" in json.loads(ran.out)["error"]["message"]
    assert cli("runs", "show", "nobody", "--table", *memory).status == 2


def test_another_kind_of_run_under_the_same_name_is_refused(cli, libraries, tmp_path):
    memory = ("--memory", f"sqlite:///{tmp_path / 'memory.sqlite'}")
    assert table(cli, libraries, *memory, "--run", "same").status == 0
    ran = cli("ask", QUESTION, "--over", str(libraries), *memory, "--run", "same", "--resume")
    assert ran.status == 2
    assert "it made a table" in ran.err


# ------------------------------------------------------------------ while it goes on


def test_the_live_view_tells_columns_rows_and_statements():
    from rich.console import Console

    from extagents import events
    from extagents.types import Plan

    column = Column(name="volumes", type="number", description="")
    plan = Plan(core="", instructions="", kind="aggregate", answer_type="number", queries=[])
    state = RunState(Budget())

    def drawn() -> str:
        out = Console(file=io.StringIO(), width=100, color_system=None)
        out.print(Panel(state))
        return out.file.getvalue()

    for event in (
        events.Planned(run_id="r", plan=plan, route="rounds", packing="fixed", shards=4, tokens=4_000, documents=9),
        events.Progress(phase="table"),
        events.TableProposed(name="library", entity="library", columns=(column,)),
    ):
        state.take(event)
    assert "designing the table" in drawn()
    assert "library: volumes" in drawn()
    state.take(events.WaveStarted(wave=0, round=1, shards=4, lanes=2, reason="everything, into the table library"))
    for read in (1, 2):
        state.take(events.ShardRead(shard="s", round=1, facts=7, read=read, shards=4, tokens_read=read * 1_000))
    assert "reading into rows" in drawn()
    assert "values    14" in drawn()
    state.take(events.TableFilled(name="library", rows=1_204, cells=14, conflicts=2, doubted=1))
    assert "computing" in drawn()
    assert "library: 1,204 rows, 14 values, 2 conflicts, 1 doubted" in drawn()
    state.take(events.StatementRun(sql="SELECT volume", error="There is no column volume."))
    assert "There is no column volume. ← SELECT volume" in drawn()
    state.take(events.StatementRun(sql="SELECT count(*) FROM library", rows=1, first=(17,)))
    assert "17 ← SELECT count(*) FROM library" in drawn()
    state.take(events.WaveStarted(wave=1, round=1, shards=4, lanes=2, reason="best first"))
    assert "facts     0" in drawn()
