"""Questions that are computed, as whole runs: what is asked of whom, what the answer carries, and what failures cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
import registers

import extagents
from extagents import Budget, Coordinator, Document
from extagents.errors import CallError
from extagents.settings import Settings
from extagents.tabular import ProposedTables, RowsRead, SameNames, WrittenSql, WrittenStatements
from extagents.testing import ScriptedModel


def team(model: ScriptedModel, **options: Any) -> Coordinator:
    return Coordinator(model, **{"memory": "memory://", "shard_tokens": 600, "window": 16_000, **options})


def kinds(model: ScriptedModel) -> Counter[str]:
    """How many calls of each kind: roles, and what the analyst and the readers were asked for."""
    return Counter(prompt.output.__name__ for prompt in model.calls)


@pytest.mark.parametrize("question", list(registers.ANSWERS))
async def test_a_question_is_computed_from_rows_with_a_quote_in_every_cell(question: str) -> None:
    model, corpus = registers.model(), registers.corpus()
    async with team(model) as asked:
        answer = await asked.aask(question, over=corpus)
    assert answer.text == registers.ANSWERS[question]
    assert answer.kind == "aggregate"
    assert [candidate.path for candidate in answer.candidates] == ["table"]
    assert answer.table is not None
    assert len(answer.table) == len(registers.SHIPS)
    for row in answer.table.rows:
        for cell in row.cells.values():
            assert corpus.by_id[cell.document].text[cell.start : cell.end] == cell.quote
    assert answer.table.sql == registers.STATEMENTS[question][1]
    assert answer.citations
    assert all(corpus.by_id[c.document].text[c.start : c.end] == c.quote for c in answer.citations)
    assert answer.coverage.shards_read == answer.coverage.shards
    assert kinds(model)["Reading"] == 0, "nothing is read twice"
    assert kinds(model)["RowsRead"] == answer.coverage.shards


async def test_a_further_question_over_the_same_input_reads_nothing_that_was_read() -> None:
    model, corpus = registers.model(), registers.corpus()
    async with team(model) as asked:
        first = await asked.aask(registers.HOW_MANY, over=corpus)
        model.calls.clear()
        second = await asked.aask(registers.LONGEST, over=corpus)
    assert (first.text, second.text) == (registers.ANSWERS[registers.HOW_MANY], registers.ANSWERS[registers.LONGEST])
    assert kinds(model)["RowsRead"] == 0
    assert kinds(model)["ProposedTables"] == 0
    assert len(model.calls) <= 2


async def test_a_new_column_alone_is_read_later() -> None:
    model, corpus = registers.model(), registers.corpus()
    async with team(model) as asked:
        await asked.aask(registers.HOW_MANY, over=corpus)
        model.calls.clear()
        answer = await asked.aask(registers.TOTAL, over=corpus)
    assert answer.text == registers.ANSWERS[registers.TOTAL]
    read = [prompt for prompt in model.calls if prompt.output is RowsRead]
    assert {column.name for prompt in read for column in prompt.inputs.table.columns} == {"cargo"}
    assert answer.table is not None
    assert {column.name for column in answer.table.columns} == {"length", "cargo"}


async def test_another_process_finds_the_rows_in_the_memory(tmp_path: Any) -> None:
    corpus, memory = registers.corpus(), f"sqlite:///{tmp_path}/runs.db"
    async with team(registers.model(), memory=memory) as one:
        await one.aask(registers.HOW_MANY, over=corpus)
    model = registers.model()
    async with team(model, memory=memory) as other:
        answer = await other.aask(registers.LONGEST, over=corpus)
    assert answer.text == registers.ANSWERS[registers.LONGEST]
    assert kinds(model)["RowsRead"] == 0


async def test_a_batch_proposes_once_and_reads_once_for_all_its_questions() -> None:
    alone, corpus = registers.model(), registers.corpus()
    async with team(alone) as asked:
        await asked.aask(registers.HOW_MANY, over=corpus)
    model = registers.model()
    questions = [question for question in registers.ANSWERS for _ in range(3)]
    async with team(model) as asked:
        answers = await asked.abatch(questions, corpus)
    assert [answer.text for answer in answers] == [registers.ANSWERS[question] for question in questions]
    assert kinds(model)["RowsRead"] == kinds(alone)["RowsRead"]
    assert len(model.calls) <= 1.3 * len(alone.calls) + 2 * (len(questions) - 1)
    assert sum(answer.usage.calls for answer in answers) == len(model.calls)


async def test_a_statement_that_fails_is_repaired_at_most_twice() -> None:
    def sql(prompt: Any) -> WrittenSql:
        if not prompt.inputs.failed:
            return WrittenSql(sql="SELECT count(*) FROM ships", form="number")
        assert prompt.inputs.error
        return registers.sql(prompt)

    model = registers.model(sql=sql)
    async with team(model) as asked:
        answer = await asked.aask(registers.HOW_MANY, over=registers.corpus())
    assert answer.text == registers.ANSWERS[registers.HOW_MANY]

    hopeless = registers.model(sql=lambda prompt: WrittenSql(sql="SELECT count(*) FROM ships", form="number"))
    async with team(hopeless) as asked:
        await asked.aask(registers.HAVE, over=registers.corpus())
    by_opinion = Counter(prompt.inputs.opinion for prompt in hopeless.calls if prompt.output is WrittenSql)
    assert by_opinion
    assert max(by_opinion.values()) == 3


async def test_statements_that_disagree_lower_the_confidence_and_are_told() -> None:
    def sql(prompt: Any) -> WrittenSql:
        return WrittenSql(sql=f"SELECT {7 + prompt.inputs.opinion} FROM ship LIMIT 1", form="number")

    agreeing, torn = registers.model(), registers.model(sql=sql)
    async with team(agreeing) as one, team(torn) as other:
        sure = await one.aask(registers.HOW_MANY, over=registers.corpus())
        unsure = await other.aask(registers.HOW_MANY, over=registers.corpus())
    assert unsure.table is not None
    assert any("different results" in check for check in unsure.table.checks)
    assert any("disagree" in notice for notice in unsure.notices)
    assert unsure.candidates[0].confidence < sure.candidates[0].confidence
    assert kinds(torn)["Verdict"] > 0, "the ladder judges the same cells"


async def test_cells_whose_quote_does_not_hold_the_value_are_not_trusted() -> None:
    def rows(prompt: Any) -> RowsRead:
        read = registers.rows(prompt)
        lying = read.rows[0]
        cells = [cell.model_copy(update={"value": "9999 m"}) for cell in lying.cells]
        return RowsRead(rows=[lying.model_copy(update={"cells": cells}), *read.rows[1:]])

    model = registers.model(rows=rows)
    async with team(model, shard_tokens=6_000) as asked:
        answer = await asked.aask(registers.LONGEST, over=registers.corpus())
    assert answer.table is not None
    assert answer.table.doubted > 0
    assert all(value != 9999 for row in answer.table.rows for value in row.values.values())
    assert answer.table.rows  # a row of which nothing was taken does not count
    assert all(row.values["length"] is not None for row in answer.table.rows)


async def test_where_no_table_is_proposed_the_question_is_read_for_facts() -> None:
    model = registers.model(schema=lambda prompt: ProposedTables(tables=[]))
    async with team(model) as asked:
        answer = await asked.aask(registers.HOW_MANY, over=registers.corpus())
    assert answer.table is None
    assert kinds(model)["Reading"] >= answer.coverage.shards
    assert answer.coverage.shards_read == answer.coverage.shards


async def test_a_question_that_is_only_partly_tabular_is_read_for_facts_too() -> None:
    def schema(prompt: Any) -> ProposedTables:
        [table] = registers.proposed(prompt).tables
        return ProposedTables(tables=[table.model_copy(update={"whole": [], "partly": [1]})])

    model = registers.model(schema=schema)
    async with team(model) as asked:
        answer = await asked.aask(registers.HOW_MANY, over=registers.corpus())
    assert kinds(model)["Reading"] >= answer.coverage.shards
    assert "table" in [candidate.path for candidate in answer.candidates]


async def test_without_the_table_the_ladder_answers_alone() -> None:
    model = registers.model()
    async with team(model, settings=Settings(without=("table",))) as asked:
        answer = await asked.aask(registers.HOW_MANY, over=registers.corpus())
    assert answer.table is None
    assert kinds(model)["ProposedTables"] == 0


async def test_an_analyst_that_fails_costs_its_way_alone() -> None:
    model = registers.model(schema=lambda prompt: "no JSON at all")
    async with team(model) as asked:
        answer = await asked.aask(registers.HOW_MANY, over=registers.corpus())
    assert any("could not be computed" in notice for notice in answer.notices)
    assert kinds(model)["Reading"] >= answer.coverage.shards


async def test_a_budget_that_ends_while_rows_are_read_leaves_an_answer_from_what_was_read() -> None:
    whole, corpus = registers.model(), registers.corpus(filler=80)
    async with team(whole) as asked:
        await asked.aask(registers.HOW_MANY, over=corpus)
    model = registers.model()
    async with team(model, budget=Budget(calls=len(whole.calls) // 2)) as asked:
        answer = await asked.aask(registers.HOW_MANY, over=corpus)
    assert answer.stopped_by == "budget"
    assert answer.usage.calls <= len(whole.calls) // 2
    assert 0 < answer.coverage.shards_read < answer.coverage.shards
    assert answer.table is not None
    assert 0 < len(answer.table) < len(registers.SHIPS)


async def test_a_run_that_was_stopped_goes_on_without_paying_twice(tmp_path: Any) -> None:
    corpus, memory = registers.corpus(filler=80), f"sqlite:///{tmp_path}/runs.db"
    whole = registers.model()
    async with team(whole) as asked:
        expected = await asked.aask(registers.HOW_MANY, over=corpus)
    first = registers.model()
    async with team(first, memory=memory, budget=Budget(calls=len(whole.calls) // 2)) as asked:
        await asked.aask(registers.HOW_MANY, over=corpus, run="r")
    second = registers.model()
    async with team(second, memory=memory) as asked:
        answer = await asked.aask(registers.HOW_MANY, over=corpus, run="r", resume=True)
    assert answer.text == expected.text
    read = [text for model in (first, second) for text in map(_rows_text, model.calls) if text]
    assert len(read) == len(set(read))
    assert kinds(second)["ProposedTables"] == 0


def _rows_text(prompt: Any) -> str:
    return prompt.messages[-1].content if prompt.output is RowsRead else ""


async def test_rows_that_one_answer_cannot_hold_are_read_in_halves() -> None:
    from extagents.models.base import Completion
    from extagents.types import Usage

    def rows(prompt: Any) -> Any:
        read = registers.rows(prompt)
        if len(read.rows) > 1:
            return Completion(text=read.model_dump_json()[:200], usage=Usage(calls=1), finish="length")
        return read

    model = registers.model(rows=rows)
    async with team(model, shard_tokens=2_000) as asked:
        answer = await asked.aask(registers.HOW_MANY, over=registers.corpus())
    assert answer.text == registers.ANSWERS[registers.HOW_MANY]
    assert answer.coverage.failed == 0


async def test_the_table_alone_is_given_without_an_answer() -> None:
    model = registers.model()
    async with team(model) as asked:
        result = await asked.atable(registers.TOTAL, registers.corpus())
    assert result.table is not None
    assert (result.answer, result.answered, result.table.sql) == ("", False, "")
    assert len(result.table) == len(registers.SHIPS)
    assert kinds(model)["WrittenSql"] == 0


async def test_two_questions_at_once_over_one_input_agree_on_one_table() -> None:
    model, corpus = registers.model(), registers.corpus()
    async with team(model) as asked:
        answers = await asyncio.gather(*(asked.aask(question, over=corpus) for question in registers.ANSWERS))
    assert [answer.text for answer in answers] == list(registers.ANSWERS.values())


async def test_every_event_of_the_table_is_told() -> None:
    async with team(registers.model()) as asked:
        told = [event.type async for event in asked.astream(registers.HOW_MANY, over=registers.corpus())]
    assert {"table_proposed", "table_filled", "statement", "candidate", "answer"} <= set(told)


async def test_the_statements_of_a_batch_are_written_several_in_a_call() -> None:
    model, questions = registers.model(), list(registers.ANSWERS)
    async with team(model) as asked:
        answers = await asked.abatch(questions, registers.corpus())
    assert [answer.text for answer in answers] == [registers.ANSWERS[question] for question in questions]
    assert kinds(model)["WrittenStatements"] == 1
    assert kinds(model)["WrittenSql"] == 0


async def test_a_statement_that_was_left_out_is_asked_for_alone() -> None:
    whole = registers.model()

    def analyst(prompt: Any) -> Any:
        told = whole._reply(prompt)
        if isinstance(told, WrittenStatements):
            return WrittenStatements(statements=told.statements[1:])
        return told

    model, questions = registers.model(analyst=analyst), list(registers.ANSWERS)
    async with team(model) as asked:
        answers = await asked.abatch(questions, registers.corpus())
    assert [answer.text for answer in answers] == [registers.ANSWERS[question] for question in questions]
    assert kinds(model)["WrittenSql"] == 1


async def test_a_question_that_is_not_computed_keeps_nobody_waiting_in_a_batch() -> None:
    def plan(prompt: Any) -> Any:
        made = registers.plan(prompt)
        return made.model_copy(update={"kind": "lookup"}) if prompt.inputs.question.startswith("Who") else made

    model, questions = registers.model(planner=plan), [*registers.ANSWERS, "Who owns the Amber Heron?"]
    async with team(model) as asked:
        answers = await asked.abatch(questions, registers.corpus())
    assert [answer.text for answer in answers[:-1]] == list(registers.ANSWERS.values())
    assert answers[-1].kind == "lookup"


async def test_the_analyst_may_be_a_model_of_its_own() -> None:
    reader, analyst = registers.model(), registers.model()
    async with team(reader, models={"analyst": analyst}) as asked:
        await asked.aask(registers.HOW_MANY, over=registers.corpus())
    assert {prompt.role for prompt in analyst.calls} == {"analyst"}
    assert "analyst" not in {prompt.role for prompt in reader.calls}


async def test_an_empty_list_is_an_answer_that_rests_on_all_that_was_looked_at() -> None:
    none = "SELECT name FROM ship WHERE cargo > 999999"
    model = registers.model(sql=lambda prompt: WrittenSql(sql=none, form="list"))
    async with team(model) as asked:
        answer = await asked.aask(registers.HAVE, over=registers.corpus())
    assert answer.text == "none"
    assert answer.answered
    assert answer.citations


async def test_the_table_alone_takes_one_call_of_the_package() -> None:
    corpus = registers.corpus()
    made = await extagents.atable(registers.TOTAL, corpus, model=registers.model(), memory="memory://")
    same = await asyncio.to_thread(extagents.table, registers.TOTAL, corpus, model=registers.model(), memory="memory://")
    assert isinstance(made.table, extagents.Table)
    assert made.table == same.table


async def test_what_was_not_read_lowers_the_confidence_and_settles_nothing() -> None:
    def rows(prompt: Any) -> Any:
        text = "".join(section.text for section in prompt.inputs.shard.sections)
        return (
            CallError("content_filter", "Refused.")
            if "Length: 41 m" in text or "Length: 44 m" in text
            else registers.rows(prompt)
        )

    model = registers.model(rows=rows)
    async with team(model) as asked:
        answer = await asked.aask(registers.HOW_MANY, over=registers.corpus())
    assert answer.coverage.failed > 0
    assert answer.table is not None
    assert any("was not read into the table" in check for check in answer.table.checks)
    found = next(candidate for candidate in answer.candidates if candidate.path == "table")
    assert found.confidence < 0.9
    assert kinds(model)["Verdict"] > 0, "the ladder judges the cells"


async def test_a_shard_that_fails_for_a_further_column_is_told() -> None:
    def rows(prompt: Any) -> Any:
        text = "".join(section.text for section in prompt.inputs.shard.sections)
        cargo = any(column.name == "cargo" for column in prompt.inputs.table.columns)
        return CallError("content_filter", "Refused.") if cargo and "Cargo: 800 t" in text else registers.rows(prompt)

    async with team(registers.model(rows=rows)) as asked:
        first = await asked.aask(registers.HOW_MANY, over=registers.corpus())
        second = await asked.aask(registers.HAVE, over=registers.corpus())
    assert first.coverage.failed == 0
    assert second.coverage.failed > 0
    assert any("could not be read" in notice for notice in second.notices)


async def test_many_questions_over_many_tables_at_once_close_nobodys_database() -> None:
    corpora = [registers.corpus(filler=30 + number) for number in range(6)]

    async def slowly(prompt: Any) -> Any:
        await asyncio.sleep(0)
        return registers.sql(prompt)

    async with team(registers.model(sql=slowly)) as asked:
        answers = await asyncio.gather(
            *(asked.aask(question, over=corpus) for corpus in corpora for question in registers.ANSWERS)
        )
    assert [answer.text for answer in answers] == list(registers.ANSWERS.values()) * len(corpora)


async def test_a_batch_that_goes_on_reads_nothing_again(tmp_path: Any) -> None:
    corpus, memory = registers.corpus(filler=80), f"sqlite:///{tmp_path}/runs.db"
    questions = [*registers.ANSWERS] * 8
    first = registers.model()
    async with team(first, memory=memory, settings=Settings(read_cache=False)) as asked:

        def sql(prompt: Any) -> Any:
            asked.interrupt()
            return registers.sql(prompt)

        first._answers["analyst"] = registers.model(sql=sql)._answers["analyst"]
        await asked.abatch(questions, corpus, run="b")
    assert kinds(first)["RowsRead"] > 0
    second = registers.model()
    async with team(second, memory=memory, settings=Settings(read_cache=False)) as asked:
        answers = await asked.abatch(questions, corpus, run="b")
    assert [answer.text for answer in answers] == [registers.ANSWERS[question] for question in questions]
    read = [text for model in (first, second) for text in map(_rows_text, model.calls) if text]
    assert len(read) == len(set(read))


async def test_a_batch_whose_budget_ends_computes_from_the_rows_that_it_has() -> None:
    whole, corpus, questions = registers.model(), registers.corpus(filler=80), list(registers.ANSWERS)
    async with team(whole) as asked:
        await asked.abatch(questions, corpus)
    model = registers.model()
    async with team(model) as asked:
        answers = await asked.abatch(questions, corpus, budget=Budget(calls=len(whole.calls) * 2 // 3))
    assert len(model.calls) <= len(whole.calls) * 2 // 3
    assert any(answer.table is not None and len(answer.table) for answer in answers)


async def test_names_that_could_not_be_asked_for_are_asked_again_by_the_next_question() -> None:
    ships, whole, down = (
        (("Amber Heron", 50, 400), ("Briar Otter", 30, 400), ("Briar Otter Holdings", 30, 400)),
        registers.model(),
        True,
    )

    def analyst(prompt: Any) -> Any:
        if prompt.output is SameNames:
            return CallError("content_filter", "Refused.") if down else SameNames(same=[1])
        return whole._reply(prompt)

    async with team(registers.model(analyst=analyst)) as asked:
        corpus = registers.corpus(ships=ships)
        first = await asked.aask(registers.HOW_MANY, over=corpus)
        down = False
        again = await asked.aask(registers.LONGEST, over=corpus)
    assert first.table is not None
    assert again.table is not None
    assert any("could not be asked" in notice for notice in first.notices)
    assert (len(first.table), len(again.table)) == (3, 2)


async def test_a_first_statement_that_was_paid_is_kept_when_the_second_cannot_be() -> None:
    question, corpus = registers.HOW_MANY, registers.corpus()

    def sql(prompt: Any) -> WrittenSql:
        return WrittenSql(sql=f"SELECT {7 + prompt.inputs.opinion} FROM ship LIMIT 1", form="number")

    whole = registers.model(sql=sql)
    async with team(whole) as asked:
        await asked.aask(question, over=corpus)
    second = next(place for place, prompt in enumerate(whole.calls) if getattr(prompt.inputs, "opinion", 0) == 1)
    async with team(registers.model(sql=sql), budget=Budget(calls=second)) as asked:
        answer = await asked.aask(question, over=corpus)
    assert answer.stopped_by == "budget"
    assert answer.text


async def test_orders_that_differ_are_a_disagreement() -> None:
    def sql(prompt: Any) -> WrittenSql:
        way = "DESC" if prompt.inputs.opinion else "ASC"
        return WrittenSql(sql=f"SELECT name FROM ship ORDER BY length {way} LIMIT 3", form="names")

    async with team(registers.model(sql=sql)) as asked:
        answer = await asked.aask(registers.LONGEST, over=registers.corpus())
    assert answer.table is not None
    assert any("different" in check for check in answer.table.checks)


async def test_without_a_model_a_question_is_answered_alike_alone_after_others_and_in_a_batch() -> None:
    questions = [
        "How many ships have a length above 40 m?",
        "Which ship has the greatest length?",
        "What is the total cargo of all ships?",
        "Which ships have a cargo above 2,000 t?",
    ]
    corpus = registers.corpus()
    alone = []
    for question in questions:
        async with Coordinator(memory="memory://") as fresh:
            alone.append((await fresh.aask(question, over=corpus)).text)
    async with Coordinator(memory="memory://") as shared:
        after = [(await shared.aask(question, over=corpus)).text for question in questions]
        together = [answer.text for answer in await shared.abatch(questions, corpus)]
    assert alone == list(registers.ANSWERS.values())
    assert after == together == alone


async def test_without_a_model_what_no_table_answers_is_not_answered_by_a_fragment() -> None:
    told = {
        "Alder": "The Alder works employ 412 people in three halls.\nThe Alder works pay a dividend.",
        "Birch": "The Birch works employ 95 people.\nNo dividend was paid by the Birch works.",
        "Cedar": "The Cedar works were founded by 7 partners and pay a dividend.",
    }
    works = [Document(id=name, title=name, text=text) for name, text in told.items()]
    async with Coordinator(memory="memory://") as asked:
        answer = await asked.aask("How many works pay a dividend?", over=works)
    assert answer.kind == "aggregate"
    assert not answer.answered, "7 is a number near the word, no count"
    assert any("tables alone" in notice for notice in answer.notices)
