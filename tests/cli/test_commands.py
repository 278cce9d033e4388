"""search, estimate, corpus and runs: what they print and return."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "archive.md").write_text(
        "# Archive\n\nThe Meridian archive was founded in 1974 by Ilse Brandt.\n", encoding="utf-8"
    )
    (folder / "mill.txt").write_text("The mill at Odense burned down in 1911.\n", encoding="utf-8")
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    return folder


def test_search_gives_hits_with_offsets_best_first(cli, library):
    ran = cli("search", "Who founded the archive?", "--over", str(library), "-k", "2", "--json")
    printed = json.loads(ran.out)
    assert ran.status == 0
    assert set(printed) == {"hits"}
    assert printed["hits"][0]["document"] == "archive.md"
    assert all(set(hit) == {"document", "start", "end", "score"} for hit in printed["hits"])
    scores = [hit["score"] for hit in printed["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) <= 2
    plain = cli("search", "Who founded the archive?", "--over", str(library), "-k", "1")
    assert "archive.md:" in plain.out
    assert plain.out.count("\n") == 1


def test_search_that_finds_nothing_is_status_3(cli, library):
    ran = cli("search", "xylophone", "--over", str(library), "--json")
    assert (ran.status, json.loads(ran.out)) == (3, {"hits": []})


def test_search_answers_many_queries_line_by_line(cli, library, tmp_path):
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": "a", "question": "archive founded"}\n\n{"id": 2, "question": "mill burned"}\n', encoding="utf-8")
    ran = cli("search", "--queries", str(queries), "--over", str(library), "-k", "1")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [line["id"] for line in lines] == ["a", 2]
    assert [line["hits"][0]["document"] for line in lines] == ["archive.md", "mill.txt"]


@pytest.mark.parametrize("line", ["no json", "[1]", '{"id": 1}', '{"id": 1, "question": ""}', '{"id": 1, "question": 7}'])
def test_a_wrong_line_of_queries_is_named(cli, library, tmp_path, line):
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"id": "a", "question": "archive"}\n' + line + "\n", encoding="utf-8")
    ran = cli("search", "--queries", str(queries), "--over", str(library))
    assert (ran.status, ran.out) == (2, "")
    assert "line 2" in ran.err
    assert cli("search", "--queries", str(tmp_path / "missing"), "--over", str(library)).status == 2


def test_corpus_counts_and_lists_what_was_left_out(cli, library):
    ran = cli("corpus", str(library), "--json")
    printed = json.loads(ran.out)
    assert ran.status == 0
    assert (printed["documents"], printed["shards"]) == (2, 1)
    assert printed["tokens"] > 10
    assert [entry["path"] for entry in printed["unreadable"]] == ["photo.png"]
    assert printed["unreadable"][0]["reason"]
    plain = cli("corpus", str(library))
    assert "documents\t2\n" in plain.out
    assert "left out\tphoto.png\t" in plain.out


@pytest.mark.parametrize("command", ["corpus", "ask", "search", "estimate"])
def test_input_that_cannot_be_is_status_2(cli, tmp_path, command):
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (tmp_path / "missing", empty):
        arguments = [command, str(path)] if command == "corpus" else [command, "Who?", "--over", str(path)]
        ran = cli(*arguments, "--json")
        assert ran.status == 2, ran.err
        assert json.loads(ran.out)["error"]["type"] == "InputError"
        assert ran.err.count("\n") == 1


def test_estimate_gives_lowest_and_highest(cli, library):
    ran = cli("estimate", "Who founded it?", "--over", str(library), "--json")
    printed = json.loads(ran.out)
    assert ran.status == 0
    assert set(printed) == {"shards", "tokens", "packing", "calls", "input_tokens", "output_tokens", "cost", "model"}
    for name in ("calls", "input_tokens", "output_tokens"):
        low, high = printed[name]
        assert 0 < low <= high
    plain = cli("estimate", "Who founded it?", "--over", str(library))
    assert [line.split("\t")[0] for line in plain.out.splitlines()] == ["", "calls", "input tokens", "output tokens", "cost"]


def test_runs_are_listed_shown_and_forgotten(cli, library, tmp_path):
    memory = f"sqlite:///{tmp_path / 'memory.sqlite'}"
    asked = cli("ask", "Who founded the Meridian archive?", "--over", str(library), "--memory", memory, "--run", "monday")
    assert asked.status == 0, asked.err
    again = cli("ask", "Who founded it?", "--over", str(library), "--memory", memory, "--run", "monday", "--json")
    assert again.status == 2
    assert json.loads(again.out)["error"]["type"] == "RunExists"

    listed = json.loads(cli("runs", "list", "--memory", memory, "--json").out)["runs"]
    assert [(run["run"], run["status"]) for run in listed] == [("monday", "done")]
    assert "monday\tdone\t" in cli("runs", "list", "--memory", memory).out
    assert json.loads(cli("runs", "list", "--memory", memory, "--tenant", "other", "--json").out) == {"runs": []}

    shown = json.loads(cli("runs", "show", "monday", "--memory", memory, "--json").out)
    assert shown["answer"]["answer"] == asked.out.strip()
    assert shown["question"] == "Who founded the Meridian archive?"
    assert asked.out.strip() in cli("runs", "show", "monday", "--memory", memory).out

    assert cli("runs", "forget", "monday", "--memory", memory).status == 0
    for action in ("show", "forget"):
        gone = cli("runs", action, "monday", "--memory", memory, "--json")
        assert gone.status == 2
        assert "monday" in json.loads(gone.out)["error"]["message"]
