"""Statements and values that mean harm: each gives an answer from the tables or a clear error, and touches nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from extagents.tables import database as databases
from extagents.tables.database import Database, NoProcess, SqlError, end_kept
from extagents.tabular import Column, Table, TableRow

pytestmark = pytest.mark.timeout(120)  # what hangs fails, however slow the machine is

SECRET = "canary-5d1f"
ROWS = 20


def companies(name: str = "company") -> Table:
    columns = (
        Column(name="revenue", type="number", unit="USD", description="revenue"),
        Column(name="sector", type="text", description="sector"),
        Column(name="founded", type="date", description="when it was founded"),
        Column(name="products", type="list", description="what it sells"),
    )
    rows = tuple(
        TableRow(
            name=f"Company {number}",
            values={"revenue": 1.5 * number, "sector": "oil", "founded": "2001-02-03", "products": ("a", "b")},
        )
        for number in range(ROWS)
    )
    return Table(name=name, entity="company", columns=columns, rows=rows)


class Outside:
    """What no statement may touch: a folder with a file, and a server that listens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "canary.csv"
        self.file.write_text(f"name,secret\nx,{SECRET}\n", encoding="utf-8")
        self._before = self._state()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.port = self._server.getsockname()[1]

    def _state(self) -> list[tuple[str, int, int]]:
        return sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in self.folder.rglob("*"))

    def is_untouched(self) -> bool:
        try:
            self._server.accept()
        except BlockingIOError:
            return self._state() == self._before
        return False

    def close(self) -> None:
        self._server.close()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    made = Outside(tmp_path_factory.mktemp("outside"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database([companies()], seconds=0.3, memory_mb=64, rows=100) as opened:
        yield opened
    end_kept()


# {file}, {folder} and {port} are the canaries'.
FILES = """
SELECT * FROM '{file}'
SELECT * FROM "{file}"
FROM '{file}'
SELECT * FROM 'file://{file}'
SELECT * FROM '{folder}/*.csv'
SELECT * FROM read_csv('{file}')
SELECT * FROM read_csv_auto('{file}', header := true)
SELECT * FROM READ_CSV ( '{file}' )
SELECT * FROM main.read_csv('{file}')
SELECT * FROM system.main.read_csv('{file}')
SELECT * FROM read_text('{file}')
SELECT content FROM read_blob('{file}')
SELECT * FROM read_json('{file}')
SELECT * FROM read_json_auto('{file}')
SELECT * FROM read_ndjson_objects('{file}')
SELECT * FROM read_parquet('{file}')
SELECT * FROM parquet_scan('{file}')
SELECT * FROM parquet_metadata('{file}')
SELECT * FROM sniff_csv('{file}')
SELECT * FROM glob('{folder}/*')
SELECT * FROM glob('/**')
SELECT * FROM read_duckdb('{file}')
SELECT (SELECT content FROM read_text('{file}'))
SELECT name FROM company WHERE sector IN (SELECT secret FROM read_csv('{file}'))
SELECT name FROM company ORDER BY (SELECT count(*) FROM read_text('{file}'))
SELECT * FROM company, LATERAL (SELECT * FROM read_text('{file}'))
WITH a AS (WITH b AS (SELECT * FROM read_text('{file}')) SELECT * FROM b) SELECT * FROM a
WITH "{file}" AS (SELECT 1) SELECT * FROM "{file}"
WITH a AS (WITH "{file}" AS (SELECT 1) SELECT 1), b AS (SELECT * FROM "{file}") SELECT * FROM b
SELECT * FROM (VALUES ((SELECT content FROM read_text('{file}')))) v
SELECT list_transform(['{file}'], lambda f: (SELECT content FROM read_text(f)))
SELECT CASE WHEN true THEN (SELECT content FROM read_text('{file}')) END
SELECT * FROM company UNION ALL SELECT content, 1, '', NULL, NULL FROM read_text('{file}')
SELECT * FROM company WHERE EXISTS (FROM read_text('{file}'))
SELECT count(*) FILTER (WHERE (SELECT true FROM read_text('{file}'))) FROM company
COPY company TO '{folder}/out.csv'
COPY (SELECT 1) TO '{folder}/out.parquet' (FORMAT parquet)
COPY company FROM '{file}'
SELECT * FROM (COPY company TO '{folder}/out.csv')
EXPORT DATABASE '{folder}/export'
IMPORT DATABASE '{folder}'
ATTACH '{folder}/other.db'
ATTACH '{folder}/other.db' AS other (TYPE sqlite)
DETACH memory
CREATE TABLE stolen AS SELECT * FROM read_text('{file}')
CREATE VIEW stolen AS SELECT * FROM '{file}'
SELECT * FROM query('SELECT * FROM read_text(''{file}'')')
SELECT * FROM query_table('{file}')
SELECT * FROM query_table(['company'])
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
SELECT * FROM pandas_scan(140000000)
SELECT * FROM arrow_scan(1, 2, 3)
SELECT * FROM python_map_function()
SELECT * FROM test_all_types()
SELECT * FROM seq_scan('company')
"""
NETWORK = """
SELECT * FROM 'http://127.0.0.1:{port}/x.csv'
SELECT * FROM read_csv('http://127.0.0.1:{port}/x.csv')
SELECT * FROM read_parquet('https://127.0.0.1:{port}/x.parquet')
SELECT * FROM read_text('s3://bucket/x?s3_endpoint=127.0.0.1:{port}')
SELECT * FROM 'hf://datasets/x/y.csv'
ATTACH 'http://127.0.0.1:{port}/x.db' AS remote
ATTACH 'host=127.0.0.1 port={port}' AS pg (TYPE postgres)
INSTALL httpfs
INSTALL httpfs FROM 'http://127.0.0.1:{port}'
LOAD httpfs
LOAD '{folder}/x.duckdb_extension'
FORCE INSTALL spatial FROM community
UPDATE EXTENSIONS
CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 'b', ENDPOINT '127.0.0.1:{port}')
COPY company TO 'http://127.0.0.1:{port}/x.csv'
"""
STATE = """
SET enable_external_access = true
SET GLOBAL lock_configuration = false
RESET enable_external_access
RESET ALL
SET memory_limit = '100GB'
SET threads = 64
SET VARIABLE x = 1
SET SESSION search_path = 'x'
PRAGMA enable_profiling
PRAGMA database_list
PRAGMA show_tables
PRAGMA temp_directory = '{folder}'
CALL pragma_version()
CALL duckdb_settings()
CALL enable_logging()
USE main
SHOW TABLES
SHOW ALL TABLES
DESCRIBE company
SUMMARIZE company
EXPLAIN SELECT 1
EXPLAIN ANALYZE SELECT * FROM company
SELECT * FROM (DESCRIBE company)
SELECT * FROM (SHOW ALL TABLES)
VACUUM
CHECKPOINT
ANALYZE
BEGIN TRANSACTION
COMMIT
ROLLBACK
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE p
CREATE MACRO harm(x) AS x + 1
CREATE MACRO harm() AS TABLE SELECT * FROM read_text('{file}')
CREATE SEQUENCE s
CREATE TYPE mood AS ENUM ('a')
CREATE TABLE x (a INT)
CREATE TEMP TABLE x AS SELECT 1
CREATE OR REPLACE TABLE company AS SELECT 1
DROP TABLE company
ALTER TABLE company DROP COLUMN revenue
INSERT INTO company VALUES ('x', 1, 'x', NULL, NULL)
INSERT INTO company SELECT * FROM company RETURNING *
UPDATE company SET revenue = 0
DELETE FROM company
TRUNCATE company
MERGE INTO company USING company b ON true WHEN MATCHED THEN DELETE
WITH gone AS (DELETE FROM company RETURNING *) SELECT * FROM gone
WITH more AS (INSERT INTO company BY NAME (SELECT 'x' AS name) RETURNING *) SELECT * FROM more
WITH less AS (UPDATE company SET revenue = 0 RETURNING *) SELECT * FROM less
COMMENT ON TABLE company IS 'x'
PIVOT company ON sector USING sum(revenue)
KILL 1
"""
CATALOGUE = """
SELECT * FROM information_schema.tables
SELECT * FROM information_schema.columns
SELECT * FROM duckdb_secrets()
SELECT * FROM duckdb_settings()
SELECT * FROM duckdb_functions()
SELECT * FROM duckdb_tables
SELECT * FROM pg_catalog.pg_tables
SELECT * FROM pg_class
SELECT * FROM sqlite_master
SELECT * FROM pragma_table_info('company')
SELECT * FROM pragma_database_size()
SELECT * FROM which_secret('s3://x', 's3')
SELECT * FROM memory.pg_catalog.pg_class
SELECT * FROM other.main.company
SELECT current_setting('home_directory')
SELECT getenv('HOME')
SELECT getvariable('x')
SELECT current_user, user, session_user
SELECT current_database(), current_schema()
SELECT current_query()
SELECT version()
SELECT now(), current_date
SELECT CURRENT_TIMESTAMP
SELECT random(), uuid()
SELECT setseed(0.5)
SELECT nextval('s')
SELECT pg_sleep(100)
SELECT sleep_ms(100000)
SELECT write_log('x')
SELECT pg_get_viewdef(1)
SELECT has_table_privilege('company', 'select')
SELECT json_serialize_plan('SELECT 1')
SELECT parse_path('{file}')
SELECT name.read_text() FROM company
WITH duckdb_settings AS (SELECT 1) SELECT * FROM duckdb_settings
WITH pg_class AS (SELECT 1), x AS (SELECT * FROM pg_class) SELECT * FROM x
"""
HIDDEN = """
SELECT 1; DROP TABLE company
SELECT 1;; SELECT 2
; DROP TABLE company; SELECT 1
SELECT 1 -- harmless\\n; DROP TABLE company
SELECT 1 /* ; */ ; /* */ DELETE FROM company
/* SELECT 1 */ DROP TABLE company
SELECT 1 /* /* nested */ ; DROP TABLE company */
SELECT 1 --\\r; DROP TABLE company
SELECT 'a\\\\'; DROP TABLE company; --'
SELECT $$a$$; DROP TABLE company
SELECT $x$ ; DROP TABLE company $x$
SELECT E'\\\\'; DROP TABLE company; --'
SELECT '\\u037e DROP TABLE company'
SELECT 1\\u037e DROP TABLE company
\\ufeffDROP TABLE company
SEL\\u0415CT 1
DR\\u200bOP TABLE company
SELECT 1\\0; DROP TABLE company
SELECT '\\0' FROM company
SELECT \\ud800 FROM company
SELECT ? FROM company
SELECT $1
SELECT $name
SELECT * FROM company AT (VERSION => 1)
SELECT * FROM range(3) AS "'; DROP TABLE company; --"
SELECT name AS "\\x1b[2J" FROM company LIMIT 1
.read {file}
\\\\! touch {folder}/x
IMPORT os
"""
BOMBS = """
WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r
WITH RECURSIVE r AS (SELECT 'x' AS i UNION ALL SELECT i || i FROM r) SELECT max(len(i)) FROM r
SELECT count(*) FROM generate_series(1, 1000000000000)
SELECT * FROM generate_series(1, 1000000000000)
SELECT generate_series(1, 10000000000)
SELECT range(0, 9223372036854775807)
SELECT sum(i) FROM range(100000000000) r(i)
SELECT repeat('x', 10000000000)
SELECT len(repeat('x', 3000000000))
SELECT repeat(repeat(repeat('x', 10000), 10000), 10000)
SELECT lpad('x', 2000000000, 'y')
SELECT rpad('x', 2147483647, 'y') FROM company
SELECT printf('%2000000000d', 1)
SELECT format('{:2000000000}', 1)
SELECT replace(repeat('a', 1000000), 'a', repeat('b', 100000))
SELECT count(*) FROM company a, company b, company c, company d, company e, company f, company g, company h
SELECT a.name FROM company a, company b, company c, company d, company e, company f, company g ORDER BY random
SELECT a.name FROM company a, company b, company c, company d, company e, company f, company g ORDER BY b.name, a.name
SELECT count(*) FROM range(1000000) a(i) JOIN range(1000000) b(j) ON a.i + b.j > 5
SELECT regexp_matches(repeat('a', 30000), '(a+)+$b')
SELECT regexp_matches(repeat('a', 1000000), '(a|a?)+(x{1,500}){1,500}')
SELECT regexp_replace(repeat('a', 1000000), '(.*)*', repeat('b', 1000), 'g')
SELECT list_transform(range(100000000), lambda x: x + 1)
SELECT list_transform(range(10000), lambda x: list_transform(range(10000), lambda y: list_transform(range(10000), lambda z: x)))
SELECT list_reduce(range(10000000), lambda a, b: a + b)
SELECT flatten(list_transform(range(100000), lambda x: range(100000)))
SELECT list_sort(range(100000000))
SELECT string_agg(repeat('x', 100000), '') FROM range(100000)
SELECT string_agg(name, '') OVER () FROM range(100000), company
SELECT list(i) FROM range(1000000000) r(i)
SELECT histogram(i) FROM range(1000000000) r(i)
SELECT median(i) FROM range(1000000000) r(i)
SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))
SELECT damerau_levenshtein(repeat('a', 100000), repeat('b', 100000))
SELECT array_to_string(range(100000000), ',')
SELECT unnest(range(100000000)), unnest(range(100000000))
SELECT row_number() OVER (ORDER BY i DESC) FROM range(1000000000) r(i)
SELECT DISTINCT i FROM range(1000000000) r(i)
SELECT factorial(1000000), pow(10, 1000000), exp(100000)
SELECT 9223372036854775807 + 1
SELECT 1 / 0, 0 / 0, 'nan'::DOUBLE, 'inf'::DOUBLE
SELECT 170141183460469231731687303715884105727 * 170141183460469231731687303715884105727
SELECT repeat('\\u4e2d', 50000000)
SELECT nfc_normalize(repeat('e\\u0301', 50000000))
SELECT i FROM range(10000000) r(i)
SELECT CAST(repeat('[', 100000) AS INT[])
SELECT strptime(repeat('1', 10000000), repeat('%Y', 1000000))
SELECT bit_count(repeat('1', 100000000)::BIT)
SELECT * FROM company GROUP BY CUBE (name, revenue, sector, founded, products, name, revenue, sector, founded, products, name)
"""
LARGE = {
    "10,000 brackets": "SELECT " + "(" * 10_000 + "1" + ")" * 10_000,
    "190 brackets": "SELECT " + "(" * 190 + "1" + ")" * 190,
    "10,000 lists": "SELECT " + "[" * 10_000 + "]" * 10_000,
    "150 subqueries": "SELECT " + "(SELECT " * 150 + "1" + ")" * 150,
    "a long sum": "SELECT " + "+".join(["1"] * 20_000),
    "many NOTs": "SELECT " + "NOT " * 10_000 + "true",
    "many minus signs": "SELECT " + "- " * 20_000 + "1",
    "many CASEs": "SELECT " + "CASE WHEN true THEN " * 2_000 + "1" + " END" * 2_000,
    "many ORs": "SELECT count(*) FROM company WHERE " + " OR ".join(["revenue > 1"] * 3_000),
    "many UNIONs": " UNION ALL ".join(["SELECT 1"] * 3_000),
    "many joins": "SELECT count(*) FROM " + ", ".join(f"company c{number}" for number in range(300)),
    "many CTEs": "WITH "
    + ", ".join(f"c{n} AS (SELECT * FROM {f'c{n - 1}' if n else 'company'})" for n in range(500))
    + " SELECT 1",
    "doubling CTEs": "WITH c0 AS (SELECT 1 AS i), "
    + ", ".join(f"c{n} AS (SELECT a.i FROM c{n - 1} a UNION ALL SELECT b.i FROM c{n - 1} b)" for n in range(1, 40))
    + " SELECT sum(i) FROM c39",
    "many casts": "SELECT 1" + "::VARCHAR::INT" * 3_000,
    "many members": "SELECT name" + ".name" * 5_000 + " FROM company",
    "many columns": "SELECT " + ", ".join(["name"] * 5_000) + " FROM company",
    "10 MB of spaces": "SELECT 1" + " " * 10_000_000,
    "10 MB of text": f"SELECT '{'x' * 10_000_000}'",
    "40,000 characters": f"SELECT '{'x' * 40_000}'",
    "a comment without end": "SELECT 1 /*" + "*" * 40_000,
    "text without end": "SELECT '" + "x" * 40_000,
    "40,000 quotes": "SELECT " + "'" * 40_000,
    "control characters": "SELECT '" + "".join(map(chr, range(1, 32))) + "'",
    "nothing": "",
    "spaces": " \n\t ",
    "a semicolon": ";",
    "a NUL": "\0",
}


def written(block: str) -> list[str]:
    spelled = [line for line in block.splitlines() if line]
    return [line.encode("latin-1", "backslashreplace").decode("unicode_escape") if "\\" in line else line for line in spelled]


STATEMENTS = [line for block in (FILES, NETWORK, STATE, CATALOGUE, HIDDEN, BOMBS) for line in written(block)]
HOSTILE = [*((statement[:60], statement) for statement in STATEMENTS), *LARGE.items()]


def test_there_are_enough_hostile_statements() -> None:
    assert len({statement for _, statement in HOSTILE}) >= 200


def test_no_hostile_statement_reaches_anything_but_the_tables(database: Database, outside: Outside) -> None:
    for label, statement in HOSTILE:
        for name, value in (("file", outside.file), ("folder", outside.folder), ("port", outside.port)):
            statement = statement.replace(f"{{{name}}}", str(value))
        try:
            result = database.query(statement)
            told = str(result)
            assert len(result.rows) <= 100, label
            assert len(told) < 4 * databases.LARGEST_RESULT, label
        except SqlError as error:
            told = error.message
            assert told.strip(), label
            assert len(told) <= 500, label
            assert len(told.splitlines()) <= 2, label
            assert str(outside.folder) not in told, label
        assert SECRET not in told, label
        assert database.query("SELECT count(*), sum(revenue), min(sector) FROM company").rows == ((ROWS, 285.0, "oil"),), label
        assert outside.is_untouched(), label


def test_what_is_no_select_over_the_tables_is_refused(database: Database, outside: Outside) -> None:
    for statement in (line for block in (FILES, NETWORK, STATE, CATALOGUE) for line in written(block)):
        with pytest.raises(SqlError):
            database.query(statement.replace("{file}", str(outside.file)).replace("{folder}", str(outside.folder)))


VALUES = [
    "'); DROP TABLE company; --",
    '"; DROP TABLE company; --',
    "x' OR '1'='1",
    "\\'; DELETE FROM company; --",
    "=HYPERLINK('http://127.0.0.1')",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(1)",
    "-- comment",
    "/* comment",
    "*/ DROP TABLE company",
    "$$",
    "${HOME}",
    "$(touch x)",
    "{{ 7 * 7 }}",
    "%s %d %n",
    "?",
    "$1",
    ":name",
    "NULL",
    "",
    " ",
    "\t\r\n",
    "\x01\x02\x1b[31m\x7f",
    "a\u2028b\u2029c",
    "\u202edrow",
    "\ufeff",
    "日本語'；",
    "👩‍👩‍👧‍👦",
    "e\u0301" * 50,
    "x" * 100_000,
    "[1, 2]",
    '{"a": 1}',
    "/etc/passwd",
    "file:///etc/passwd",
    "https://127.0.0.1/x.parquet",
    "canary.csv",
    "select",
    "name",
    "rowid",
]
NAMES = [
    *VALUES[:30],
    "order",
    "group",
    "select",
    "table",
    "Name",
    "NAME",
    "revenue",
    "Revenue",
    "rowid",
    "a b",
    'a"b',
    "a'b",
    "a.b",
    "main.company",
    "../../etc/passwd",
    "information_schema",
    "pg_class",
    "duckdb_settings",
    "sqlite_master",
    "canary.csv",
    "列",
    "1st",
    "%",
    "a\0b",
    "\ud800",
]


def test_values_go_in_as_they_are_and_mean_nothing_as_sql(outside: Outside) -> None:
    column = Column(name="note", type="text", description="')); DROP TABLE note; --\n*/ DROP", unit="'; DROP")
    listed = Column(name="many", type="list", description="", values=["'", "*/", "\n--"])
    rows = tuple(TableRow(name=value, values={"note": value, "many": (value, value)}) for value in VALUES)
    with Database([Table(name="note", entity="note\n); DROP", columns=(column, listed), rows=rows)]) as opened:
        result = opened.query("SELECT name, note, many FROM note")
        assert result.rows == tuple((value, value, (value, value)) for value in VALUES)
        assert opened.query("SELECT count(*) FROM note WHERE note = ''''").rows == ((0,),)
        assert len(opened.ddl().splitlines()) == 5
        assert opened.profiles()[0].columns[1].distinct == len(set(VALUES))
    assert outside.is_untouched()


def test_any_name_of_a_table_or_column_works_quoted(outside: Outside) -> None:
    columns = tuple(Column(name=name, type="number", description=name) for name in NAMES)
    tables = [
        Table(name=name, entity=name, columns=columns, rows=(TableRow(name=name[:5], values=dict.fromkeys(NAMES, 2.0)),))
        for name in NAMES
    ]
    with Database(tables) as opened:
        for profile in opened.profiles():
            quoted = '"' + profile.name.replace('"', '""') + '"'
            assert opened.query(f"SELECT * FROM {quoted}").rows[0][1:] == (2.0,) * len(NAMES)
        assert len({column.name.lower() for column in profile.columns}) == len(NAMES) + 1
        assert "CREATE TABLE" in opened.ddl()
    assert outside.is_untouched()


# ------------------------------------------------------------------ each wall alone


def found(opened: Database, statement: str) -> tuple[object, ...]:
    """What a statement brings; nothing where it fails."""
    try:
        return opened.query(statement).rows
    except SqlError:
        return ()


_UNCHECKED = "import extagents.tables.confined as c; c.check_tree = c.check_text = lambda *_: None; "
_UNLOCKED = "c._SETTINGS = {}; "


@pytest.mark.parametrize("opened_up", [_UNCHECKED, _UNCHECKED + _UNLOCKED], ids=["no check of the tree", "no settings either"])
def test_one_wall_less_still_holds(opened_up: str, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    if not sys.platform.startswith("linux") and _UNLOCKED in opened_up:
        pytest.skip("the system's own wall is Linux'")
    program = databases._PROGRAM.replace("from extagents.tables.confined import main; main()", f"{opened_up}c.main()")
    assert program != databases._PROGRAM
    monkeypatch.setattr(databases, "_PROGRAM", program)
    end_kept()
    try:
        with Database([companies()], seconds=2) as opened:
            assert opened.query("SELECT 1 AS x").rows == ((1,),)
            for statement in (
                f"SELECT content FROM read_text('{outside.file}')",
                f"SELECT * FROM '{outside.file}'",
                f"SELECT * FROM glob('{outside.folder}/*')",
                f"SELECT * FROM read_csv('http://127.0.0.1:{outside.port}/x.csv')",
                "SELECT content FROM read_text('/proc/self/environ')",
            ):
                assert found(opened, statement) == ()
                assert outside.is_untouched()
    finally:
        end_kept()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads what Linux tells of a process")
def test_the_process_has_no_environment_and_no_way_to_open_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTAGENTS_API_KEY", SECRET)
    end_kept()
    with Database([companies()], memory_mb=100) as opened:
        opened.query("SELECT 1")
        (worker,) = databases._processes.kept
        folder = Path(f"/proc/{worker.process.pid}")
        assert SECRET.encode() not in (folder / "environ").read_bytes()
        limits = (folder / "limits").read_text()
        for limit in ("Max open files", "Max file size", "Max core file size"):
            line = next(line for line in limits.splitlines() if line.startswith(limit))
            assert line.removeprefix(limit).split()[:2] == ["0", "0"]
        space = next(line for line in limits.splitlines() if line.startswith("Max address space"))
        assert space.split()[3] != "unlimited"


def test_a_process_without_files_stays_so() -> None:
    program = (
        "from extagents.tables.confined import shut_out_of_files\n"
        "shut = shut_out_of_files()\n"
        "try:\n"
        "    open(__import__('sys').executable, 'rb').close()\n"
        "    print(shut, 'open')\n"
        "except PermissionError:\n"
        "    print(shut, 'shut')\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert told in (["True", "shut"], ["False", "open"])


# ------------------------------------------------------------------ processes come and go

_PARENT = """
import sys
from extagents.tables.database import Database, _processes
database = Database([], seconds=60)
database.query("SELECT 1")
print(_processes.kept[0].process.pid, flush=True)
if sys.argv[1] == "busy":
    database.query("SELECT sum(i) FROM range(1000000000000) r(i)")
sys.stdin.read()
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_no_process_outlives_the_one_that_started_it(state: str) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        assert worker.is_running()
    finally:
        parent.kill()
        parent.wait()
        for pipe in (parent.stdin, parent.stdout):
            if pipe is not None:
                pipe.close()
    worker.wait(timeout=60)


def test_a_process_that_was_killed_is_replaced() -> None:
    end_kept()
    with Database([companies()]) as opened:
        for _ in range(2):
            assert opened.query("SELECT count(*) FROM company").rows == ((ROWS,),)
            (worker,) = databases._processes.kept
            os.kill(worker.process.pid, signal.SIGKILL)
        assert opened.query("SELECT count(*) FROM company").rows == ((ROWS,),)


def test_without_a_process_nothing_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    end_kept()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python-that-is-not-there"))
    with Database([companies()]) as opened, pytest.raises(NoProcess, match="no process can be started"):
        opened.query("SELECT 1")
    monkeypatch.setattr(sys, "executable", shutil.which("true") or "/bin/true")
    with Database([companies()]) as opened, pytest.raises(NoProcess, match="embedded"):
        opened.query("SELECT 1")
