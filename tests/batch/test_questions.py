"""Files of questions and of answers: what can be read is read, and nothing that was written is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from extagents import Answer, InputError, RunError
from extagents.answers_file import AnswersFile
from extagents.questions import questions_of, read_questions


def answer(text: str, **told: Any) -> Answer:
    return Answer(answer=text, answered=bool(text), confidence=0.5, kind="lookup", strategy="fused", **told)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


# ------------------------------------------------------------------ questions


def test_questions_are_read_from_jsonl_csv_tsv_json_and_parquet(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [{"id": "a", "question": "Who, if anybody?"}, {"id": "b", "question": "谁设计了解析器？"}]
    (tmp_path / "q.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n", "utf-8")
    (tmp_path / "q.json").write_text(json.dumps(rows), "utf-8")
    (tmp_path / "q.csv").write_text('\ufeffId,Question\na,"Who, if anybody?"\nb,谁设计了解析器？\n', "utf-8")
    (tmp_path / "q.tsv").write_text("id\tquestion\na\tWho, if anybody?\nb\t谁设计了解析器？\n", "utf-8")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "q.parquet")
    for name in ("q.jsonl", "q.json", "q.csv", "q.tsv", "q.parquet"):
        read = read_questions(tmp_path / name)
        assert [(question.id, question.text) for question in read] == [(row["id"], row["question"]) for row in rows], name


def test_a_line_that_is_no_question_has_its_problem_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": 7, "question": "Who?"}\nnonsense\n{"id": "x"}\n{"question": "Why?", "history": 3}\n', "utf-8")
    read = read_questions(path)
    assert [question.id for question in read] == ["7", "2", "x", "4"]
    assert [question.problem is None for question in read] == [True, False, False, False]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("q.csv", "a,b\n1,2\n", "no column named question"),
        ("q.jsonl", "\n", "holds no questions"),
        ("q.parquet", "x", "Parquet"),
    ],
)
def test_a_file_without_questions_is_refused_in_words(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(InputError, match=said):
        read_questions(tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_questions(tmp_path / "nowhere.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"question": "\xff"}')
    with pytest.raises(InputError, match="UTF-8"):
        read_questions(tmp_path / "latin.jsonl")


def test_questions_without_ids_are_numbered() -> None:
    assert [question.id for question in questions_of(["a", {"question": "b"}])] == ["1", "2"]


# ------------------------------------------------------------------ answers


def test_a_line_has_the_answers_fields_and_the_id(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with AnswersFile(path) as file:
        file.put("a", answer("yes"))
        file.put("b", answer("", error={"type": "ModelError", "message": "no", "hint": "", "retryable": True, "run_id": None}))
    first, second = lines(path)
    assert first == {"id": "a", **answer("yes").model_dump(mode="json")}
    assert set(second) == {"id", "error"}


def test_what_an_earlier_start_wrote_is_kept_and_what_failed_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with AnswersFile(path) as file:
        file.put("a", answer("yes"))
        file.put("b", answer("", error={"message": "no"}))
        file.put("c", answer("half", partial=True))
        file.put("d", answer(""))
    with AnswersFile(path) as file:
        assert file.done == {"a", "d"}
        file.put("b", answer("now"))
        file.put("e", answer("more"))
    assert [(line["id"], line.get("answer")) for line in lines(path)] == [
        ("a", "yes"), ("b", "now"), ("c", "half"), ("d", ""), ("e", "more"),
    ]  # fmt: skip


def test_a_line_that_was_torn_by_a_crash_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with AnswersFile(path) as file:
        file.put("a", answer("yes"))
        file.put("b", answer("torn"))
    data = path.read_bytes()
    for cut in (1, 2, 40, len(data) // 2 - 5):
        path.write_bytes(data[: len(data) - cut])
        with AnswersFile(path) as file:
            assert "a" in file.done
            file.put("c", answer("next"))
        assert next(line["id"] for line in lines(path)) == "a"
        assert lines(path)[-1]["id"] == "c"


def test_a_file_of_something_else_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\nare dear to me\n", "utf-8")
    with pytest.raises(InputError, match="something else"):
        AnswersFile(path).__enter__()
    assert path.read_text("utf-8") == "my notes\nare dear to me\n"
    with pytest.raises(InputError, match="no plain file"):
        AnswersFile(tmp_path).__enter__()
    with pytest.raises(InputError, match="cannot be written"):
        AnswersFile(tmp_path / "no" / "folder" / "a.jsonl").__enter__()


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    real = os.write
    with AnswersFile(path) as file:
        file.put("a", answer("yes"))
        monkeypatch.setattr(os, "write", lambda number, data: real(number, data[:20]))
        with pytest.raises(RunError, match=r"(?i)no space left"):
            file.put("b", answer("no room"))
        monkeypatch.undo()
    assert [line["id"] for line in lines(path)] == ["a"]


def test_answers_are_written_to_parquet_and_gone_on_with(tmp_path: Path) -> None:
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    with AnswersFile(path) as file:
        file.put("a", answer("yes"))
        file.put("b", answer("", error={"message": "no"}))
        assert not path.exists()
        assert len(lines(tmp_path / "a.parquet.jsonl")) == 2
    assert os.listdir(tmp_path) == ["a.parquet"]
    with AnswersFile(path) as file:
        assert file.done == {"a"}
        file.put("b", answer("now", citations=()))
    table = pyarrow.parquet.read_table(path)
    assert table.column("answer").to_pylist() == ["yes", "now"]
    assert json.loads(table.column("json").to_pylist()[1])["id"] == "b"
    assert os.listdir(tmp_path) == ["a.parquet"]


def test_a_place_that_holds_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    for content in ('[{"my": "precious"}]', '{"id": "a", "gold": "x"}\n', "x"):
        path = tmp_path / "other.json"
        path.write_text(content, "utf-8")
        with pytest.raises(InputError, match="something else"), AnswersFile(path):
            pass
        assert path.read_text("utf-8") == content


def test_one_process_at_a_time_has_the_file_and_another_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with AnswersFile(path) as file:
        with pytest.raises(InputError, match="Another process"), AnswersFile(path):
            pass
        file.put("a", answer("yes"))
    assert [line["id"] for line in lines(path)] == ["a"]


def test_better_lines_are_appended_and_each_id_has_one_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with AnswersFile(path) as file:
        for n in range(200):
            file.put(str(n), answer("", error={"message": "no"}))
    with AnswersFile(path) as file:
        for n in range(200):
            file.put(str(n), answer(f"now {n}"))
        assert len(lines(path)) == 400
    assert [line["answer"] for line in lines(path)] == [f"now {n}" for n in range(200)]


def test_a_link_stays_a_link_and_rights_stay_as_they_were(tmp_path: Path) -> None:
    real, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    real.touch(0o600)
    link.symlink_to(real)
    for text in ("", "better"):
        with AnswersFile(link) as file:
            file.put("a", answer(text, partial=not text))
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert [line["answer"] for line in lines(real)] == ["better"]


def test_odd_csv_ids_and_numbers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text(f'id,question\n1,"Who is\u2028he?"\n2,"{"x" * 200_000}?"\n', "utf-8")
    assert [(one.id, len(one.text)) for one in read_questions(path)] == [("1", 10), ("2", 200_001)]
    (tmp_path / "q.jsonl").write_text('{"id": "2", "question": "a"}\nnonsense\n{"id": "\\ud800", "question": "b"}\n', "utf-8")
    assert [one.id for one in read_questions(tmp_path / "q.jsonl")] == ["2", "2+", "?"]
