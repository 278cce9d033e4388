"""`extagents batch` as somebody in a shell meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import extagents
from extagents.cli.main import main

TEXT = {
    "kestrel.txt": "The Kestrel Bridge was designed by Odalys Ferrant.\n\nIt was opened in 1911.\n",
    "heron.txt": "The Heron Tower was designed by Bram Okonjo.\n\nIt was opened in 1954.\n",
    "wren.txt": "The Wren Library was designed by Ilse Varga.\n\nIt was opened in 1873.\n",
}
QUESTIONS = (
    {"id": "a", "question": "Who designed the Kestrel Bridge?"},
    {"id": "b", "question": "When was the Heron Tower opened?"},
    {"id": "c", "question": "Who painted the ceiling of the swimming pool in Lisbon?"},
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in TEXT.items():
        (docs / name).write_text(text, "utf-8")
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(one) + "\n" for one in QUESTIONS), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(path: Path) -> dict[str, Any]:
    return {line["id"]: line for line in map(json.loads, path.read_text("utf-8").splitlines())}


def test_every_question_has_its_line_and_stdout_is_empty(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "q.jsonl", "--over", "docs", "--out", "a.jsonl"]) == 0
    out, errors = capsys.readouterr()
    assert out == ""
    told = lines(folder / "a.jsonl")
    assert told["a"]["answer"] == "Odalys Ferrant"
    assert told["b"]["answer"] == "1954"
    assert not told["c"]["answered"]
    assert "3 questions: 2 answered, 1 not answered by the input" in errors
    citation = told["a"]["citations"][0]
    assert TEXT[citation["document"]][citation["start"] : citation["end"]] == citation["quote"]


def test_started_again_it_asks_only_what_has_no_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "q.jsonl", "--over", "docs", "--out", "a.jsonl"]) == 0
    before = (folder / "a.jsonl").read_bytes()
    with (folder / "q.jsonl").open("a") as file:
        file.write(json.dumps({"id": "d", "question": "Who designed the Wren Library?"}) + "\n")
    capsys.readouterr()
    assert main(["batch", "q.jsonl", "--over", "docs", "--out", "a.jsonl", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["questions"], summary["before"], summary["answered"]) == (4, 3, 1)
    assert (folder / "a.jsonl").read_bytes().startswith(before)
    assert lines(folder / "a.jsonl")["d"]["answer"] == "Ilse Varga"


def test_csv_in_and_parquet_out(folder: Path) -> None:
    import pyarrow.parquet

    (folder / "q.csv").write_text("id,question\n1,Who designed the Kestrel Bridge?\n2,\n", "utf-8")
    assert main(["batch", "q.csv", "--over", "docs", "--out", "a.parquet", "--quiet"]) == 0
    rows = pyarrow.parquet.read_table(folder / "a.parquet").to_pylist()
    assert [(row["id"], row["answer"]) for row in rows if row["error"] is None] == [("1", "Odalys Ferrant")]
    assert [row["id"] for row in rows if row["error"]] == ["2"]


def test_a_question_may_name_its_own_input(folder: Path) -> None:
    (folder / "q.jsonl").write_text(
        json.dumps({"question": "Who designed it?", "over": "docs/wren.txt"})
        + "\n"
        + json.dumps({"question": "Who designed it?", "id": "k", "over": ["docs/kestrel.txt"]})
        + "\n"
    )
    assert main(["batch", "q.jsonl", "--out", "a.jsonl", "--quiet"]) == 0
    assert {known: line["answer"] for known, line in lines(folder / "a.jsonl").items()} == {
        "1": "Ilse Varga",
        "k": "Odalys Ferrant",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.jsonl", "--over", "docs", "--out", "a.jsonl"], "cannot be read"),
        (["q.jsonl", "--out", "a.jsonl"], "nothing to read"),
        (["q.jsonl", "--over", "nowhere", "--out", "a.jsonl"], "nowhere"),
        (["q.jsonl", "--over", "docs", "--out", "q.jsonl"], "overwrite the questions"),
        (["q.jsonl", "--over", "docs", "--out", "no/such/folder/a.jsonl"], "cannot be written"),
        (["q.jsonl", "--over", "docs", "--out", "a.jsonl", "--questions-per-read", "many"], "neither a number nor auto"),
        (["q.jsonl", "--over", "docs"], "--out"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(
    folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", *arguments]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert said in errors
    assert errors.count("\n") == 1
    assert not (folder / "a.jsonl").exists()


def test_a_batch_is_one_line_among_the_runs_and_is_not_resumed_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    memory = f"sqlite:///{folder}/memory.db"
    assert main(["batch", "q.jsonl", "--over", "docs", "--out", "a.jsonl", "--memory", memory, "--run", "mine"]) == 0
    capsys.readouterr()
    assert main(["runs", "list", "--memory", memory, "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [(run["run"], run["status"], run["question"]) for run in runs] == [("mine", "done", "3 questions")]
    assert main(["runs", "resume", "mine", "--memory", memory]) == 2
    assert "is a batch" in capsys.readouterr().err
    assert main(["runs", "show", "mine", "--memory", memory]) == 0
    assert main(["runs", "forget", "mine", "--memory", memory]) == 0
    with extagents.Coordinator(memory=memory) as team:
        assert team.runs() == []


def test_ctrl_c_leaves_what_is_done_and_a_second_start_ends_it(folder: Path) -> None:
    """One question at a time, the interrupt after the first line: exit status 4, whole lines, then all the others."""
    many = [{"id": str(n), "question": f"Who designed the {name}? ({n})"} for n in range(40) for name in ("Kestrel Bridge",)]
    (folder / "q.jsonl").write_text("".join(json.dumps(one) + "\n" for one in many), "utf-8")
    command = [sys.executable, "-m", "extagents", "batch", "q.jsonl", "--over", "docs", "--out", "a.jsonl"]
    command += ["--memory", f"sqlite:///{folder}/memory.db"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env={**os.environ})
    while process.poll() is None and not ((folder / "a.jsonl").exists() and (folder / "a.jsonl").read_bytes().count(b"\n")):
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 4), errors
    written = lines(folder / "a.jsonl")
    if process.returncode == 4:
        assert len(written) < len(many)
        assert "Start the same command again" in errors
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert again.returncode == 0, again.stderr
    assert set(lines(folder / "a.jsonl")) == {one["id"] for one in many}
    assert all(lines(folder / "a.jsonl")[known] == line for known, line in written.items())
