"""Every published loop against a scripted model: how many calls, in which order, under which sizes, and when it stops."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import world

from extagents import Document
from extagents.agents.calls import Desk
from extagents.errors import CallError
from extagents.evaluation.baselines import LOOPS, Outcome, memagent, qwenlong
from extagents.evaluation.baselines.loop import Asked, bare, chunks, tokens
from extagents.gate import Account, CallFailed, Gate
from extagents.limiter import Limiter
from extagents.models.base import Prompt
from extagents.testing import ScriptedModel
from extagents.types import Plain

DOCUMENTS = world.documents(24)  # about 840 tokens each
WINDOW = 32_768


def step(prompt: Prompt[Any]) -> str:
    assert isinstance(prompt.inputs, Asked)
    return prompt.inputs.step


def text(prompt: Prompt[Any]) -> str:
    return prompt.messages[0].content


def shown(prompt: Prompt[Any]) -> str:
    """What the steps of the world's question stand in the prompt, or are restated there."""
    return "\n".join(line for line in world.STEPS if line in text(prompt))


def fill(prompt: Prompt[Any], **fields: Any) -> Any:
    """The prompt's output type with these of its fields."""
    return prompt.output(**{name: fields[name] for name in prompt.output.model_fields})


def clever(prompt: Prompt[Any]) -> Any:
    """Notices every step that a prompt shows; answers once all are shown."""
    found = shown(prompt)
    enough = found.count("\n") == len(world.STEPS) - 1
    answer = world.ANSWER if enough else ""
    if prompt.output is Plain:
        if step(prompt) == "score":
            return "8" if found else "0"
        return found if step(prompt) in ("update", "extract") and found else answer or "NO ANSWER"
    return fill(
        prompt,
        extracted_information=found,
        rationale="",
        answer=answer,
        confidence=3.0,
        message=found,
        score=8.0,
        answerable=enough,
        has_new_information=bool(found),
        new_information=found,
        core=world.QUESTION,
        instructions="",
        memory=found,
        plan="look on",
    )


async def play(loop: str, model: ScriptedModel, *, documents: list[Document] = DOCUMENTS, window: int = WINDOW) -> Outcome:
    gate = Gate({"default": model}, limiter=Limiter(256), attempts=1)
    desk = Desk(gate=gate, account=Account("run"), language="en", window=window, output_tokens=512, secret=b"")
    return await LOOPS[loop](world.QUESTION, documents, desk)


def steps(model: ScriptedModel) -> dict[str, int]:
    return dict(Counter(map(step, model.calls)))


async def test_a_single_pass_is_one_call_that_fits_the_window() -> None:
    model = ScriptedModel(clever, window=8_000)
    outcome = await play("single_pass", model, window=8_000)
    assert outcome == Outcome(answer="", rounds=1)
    (prompt,) = model.calls
    assert 7_000 < tokens(text(prompt)) + 512 <= 8_000
    assert "[…]" in text(prompt)
    assert DOCUMENTS[0].text[:80] in text(prompt)
    assert DOCUMENTS[-1].text[-80:] in text(prompt)


async def test_a_single_pass_over_what_fits_answers() -> None:
    assert (await play("single_pass", ScriptedModel(clever))).answer == world.ANSWER


async def test_bm25_reads_the_best_passages_only() -> None:
    model = ScriptedModel(clever)
    assert (await play("bm25", model)).rounds == 1
    (prompt,) = model.calls
    assert world.STEPS[0] in text(prompt)
    assert 0 < text(prompt).count("[Document ") <= 20
    assert tokens(text(prompt)) < 8_000


async def test_map_reduce_maps_every_chunk_and_reduces_once() -> None:
    model = ScriptedModel(clever)
    assert (await play("map_reduce", model)).answer == world.ANSWER
    assert steps(model) == {"map": 3, "reduce": 1}
    assert [step(prompt) for prompt in model.calls][-1] == "reduce"


async def test_map_reduce_collapses_what_does_not_fit() -> None:
    def wordy(prompt: Prompt[Any]) -> Any:
        made = clever(prompt)
        return made.model_copy(update={"extracted_information": "x " * 1_200}) if step(prompt) == "map" else made

    model = ScriptedModel(wordy, window=4_000)
    outcome = await play("map_reduce", model, window=4_000)
    made = steps(model)
    assert made["map"] == len(chunks(DOCUMENTS, 2_000))
    assert made["collapse"] >= made["map"] / 3
    assert outcome.rounds == 3
    assert all(tokens(text(prompt)) + 512 <= 4_000 for prompt in model.calls)


async def test_extagents_shares_knowledge_and_stops_at_the_first_answer() -> None:
    def follower(prompt: Prompt[Any]) -> Any:
        made = clever(prompt)
        known = text(prompt).split("<knowledge>")[-1]
        if step(prompt) == "seek" and world.STEPS[1] in text(prompt) and world.STEPS[0] not in known:
            only = "\n".join(line for line in shown(prompt).split("\n") if line == world.STEPS[0])
            made = made.model_copy(update={"message": only})
        if step(prompt) == "seek" and world.STEPS[0] in known:
            section = text(prompt).split("</section>")[0]
            made = made.model_copy(update={"message": "\n".join(line for line in world.STEPS if line in section)})
        return made

    model = ScriptedModel(follower)
    outcome = await play("extagents", model)
    assert (outcome.answer, outcome.rounds) == (world.ANSWER, 2)
    assert steps(model) == {"seek": 6, "reason": 3}
    assert "(nothing yet)" in text(model.calls[0])
    assert model.calls[0].messages[0].content.index("<section>") < text(model.calls[0]).index("<knowledge>")


async def test_extagents_gives_up_after_five_rounds() -> None:
    def blind(prompt: Prompt[Any]) -> Any:
        return clever(prompt).model_copy(update={"message": "a harbour"}) if step(prompt) == "seek" else clever(prompt)

    model = ScriptedModel(blind)
    assert await play("extagents", model) == Outcome(answer="", rounds=5)
    assert steps(model) == {"seek": 15, "reason": 15}  # the top 1, 2 and 3 messages of every round


async def test_extagents_as_in_its_code_makes_two_calls_a_shard_one_after_another() -> None:
    model = ScriptedModel(clever)
    outcome = await play("extagents_code", model)
    assert outcome.answer == world.ANSWER
    assert [step(prompt) for prompt in model.calls[:6]] == ["extract", "score"] * 3
    assert model.most_in_flight == 1
    assert text(model.calls[0]).index("<knowledge>") < text(model.calls[0]).index("<section>")


async def test_memagent_reads_in_order_with_one_memory_under_its_budget() -> None:
    memories: list[str] = []

    def remember(prompt: Prompt[Any]) -> Any:
        if step(prompt) != "update":
            return clever(prompt)
        memories.append(text(prompt).split("<memory>\n")[1].split("\n</memory>")[0])
        return "\n".join(line for line in world.STEPS if line in text(prompt)) or "nothing so far"

    model = ScriptedModel(remember)
    outcome = await play("memagent", model)
    sections = chunks(DOCUMENTS, memagent.__globals__["SECTION"])
    assert outcome.answer == world.ANSWER
    assert steps(model) == {"update": len(sections), "answer": 1}
    assert memories[0] == "No previous memory"
    assert {prompt.max_output_tokens for prompt in model.calls if step(prompt) == "update"} == {1_024}
    assert model.most_in_flight == 1
    assert outcome.noted == {"nothing so far", *world.STEPS}
    assert outcome.kept == set(world.STEPS)
    assert world.STEPS[0] not in text(model.calls[-1]).split("</memory>")[1]


async def test_memagent_shrinks_its_sizes_to_a_small_window() -> None:
    model = ScriptedModel(clever, window=4_096)
    await play("memagent", model, window=4_096)
    assert max(tokens(text(prompt)) + prompt.max_output_tokens for prompt in model.calls) <= 4_096


async def test_qwenlong_splits_the_question_and_carries_memory_and_plan() -> None:
    model = ScriptedModel(clever)
    outcome = await play("qwenlong", model)
    room = WINDOW - tokens(world.QUESTION) - 2 * qwenlong.__globals__["PLAN"] - 600
    sections = chunks(DOCUMENTS, int(32_000 * room / 62_000))
    assert outcome.answer == world.ANSWER
    assert steps(model) == {"split": 1, "update": len(sections), "answer": 1}
    assert "look on" in text(model.calls[2])
    assert re.search(r"<plan>\n\(none yet\)", text(model.calls[1]))


async def test_pi_mem_reads_all_chunks_at_once_until_nothing_is_new() -> None:
    model = ScriptedModel(clever, delay=0.001)
    outcome = await play("pi_mem", model)
    assert (outcome.answer, outcome.rounds) == (world.ANSWER, 3)
    assert steps(model) == {"read": 6, "answer": 1}
    assert model.most_in_flight == 3


async def test_pi_mem_turns_three_times_at_most() -> None:
    count = iter(range(1_000))

    def restless(prompt: Prompt[Any]) -> Any:
        made = clever(prompt)
        return (
            made if step(prompt) == "answer" else fill(prompt, has_new_information=True, new_information=f"news {next(count)}")
        )

    model = ScriptedModel(restless)
    assert (await play("pi_mem", model)).rounds == 4
    assert steps(model) == {"read": 9, "answer": 1}


@pytest.mark.parametrize("loop", ["map_reduce", "extagents", "extagents_code", "memagent", "qwenlong", "pi_mem"])
async def test_a_call_that_fails_costs_that_call(loop: str) -> None:
    failed = iter([False, True] + [False] * 1_000)

    def shaky(prompt: Prompt[Any]) -> Any:
        return CallError("bad_request", "no") if next(failed) else clever(prompt)

    outcome = await play(loop, ScriptedModel(shaky))
    assert outcome.failed == 1
    assert outcome.answer in (world.ANSWER, "")


async def test_an_endpoint_that_refuses_the_key_ends_the_run() -> None:
    with pytest.raises(CallFailed):
        await play("extagents", ScriptedModel(lambda _: CallError("auth", "no")))


def test_chunks_hold_every_word_once_within_their_size() -> None:
    long = Document(id="long", title="Long", text=" ".join(f"word{n}" for n in range(20_000)))
    made = chunks([*DOCUMENTS[:3], long, DOCUMENTS[3]], 2_000)
    assert all(tokens(chunk) <= 2_000 for chunk in made)
    words = " ".join(made).split()
    assert [word for word in words if word.startswith("word")] == long.text.split()


def test_a_chinese_character_counts_as_a_token() -> None:
    assert tokens("a" * 40) == 10
    assert tokens("合并于" * 10) == 30


@pytest.mark.parametrize(
    ("said", "answer"), [("NO ANSWER.", ""), ("I don't know", ""), ("\\boxed{Oslo}", "Oslo"), (" Oslo ", "Oslo"), (None, "")]
)
def test_an_answer_is_bare(said: str | None, answer: str) -> None:
    assert bare(said) == answer
