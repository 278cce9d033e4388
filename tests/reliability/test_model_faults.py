"""Models that fail: a tenth of all replies in every way there is, one shard for ever, prompts too long, stalled streams."""

from __future__ import annotations

import re
from typing import Any

import pytest
import world
from reliability import faulty_runs
from reliability.faulty_runs import NONCE, role_of, text_of
from reliability.size import FULL, record, sized

from extagents import events, gate
from extagents.models import openai_compatible
from extagents.models.base import Prompt
from extagents.testing import FakeEndpoint, FaultyModel
from extagents.testing.endpoint import FAULTS, Fault, FaultyScript, refusal, reply
from extagents.types import Fused

DOCUMENTS = sized(130, 1_000)
MOST_CALLS = 1.2  # of the calls without faults
SEED = 5
PIECE = re.compile(  # a section of a shard as a prompt shows it
    r"\[Document: Ledger (?P<ledger>\d+)(?: \(continued at (?P<start>\d+)\))?\]\n(?P<text>.*?)(?=\s*\[Document|\s*\Z)",
    re.DOTALL,
)


# ------------------------------------------------------------------ a tenth of all replies


async def test_a_tenth_of_all_http_replies_fails_in_every_way_and_every_shard_is_read() -> None:
    corpus = world.corpus(DOCUMENTS, length=20)
    async with FakeEndpoint(faulty_runs.answer) as endpoint, faulty_runs.team(endpoint) as team:
        ideal = await team.aask(world.QUESTION, corpus)
        calls = len(endpoint.requests)
    script = FaultyScript(faulty_runs.answer, key=text_of, share=0.1, seed=SEED)
    async with FakeEndpoint(script) as endpoint, faulty_runs.team(endpoint, timeout=3.0) as team:
        answer = await team.aask(world.QUESTION, corpus)
        asked = len(endpoint.requests)
    record(
        "10% mixed faults over HTTP",
        shards=answer.coverage.shards,
        failed=answer.coverage.failed,
        faults=dict(script.faults),
        calls=asked,
        ideal=calls,
        ratio=round(asked / calls, 3),
        seconds=answer.seconds,
    )
    assert (answer.answer, answer.stopped_by) == (ideal.answer, None) == (world.ANSWER, None)
    assert answer.coverage.shards_read == answer.coverage.shards == ideal.coverage.shards >= DOCUMENTS
    assert answer.coverage.failed == 0
    assert not answer.notices
    assert asked <= MOST_CALLS * calls
    assert answer.usage.calls == asked  # what went wrong is counted, too
    assert script.faults.total() >= 0.06 * calls
    assert not FULL or set(script.faults) == set(FAULTS)


async def test_a_tenth_of_all_calls_fails_and_every_shard_is_read() -> None:
    def asked(prompt: Prompt[Any]) -> str:
        return NONCE.sub("", "\n".join(message.content for message in prompt.messages))

    corpus = world.corpus(DOCUMENTS, length=20)
    kinds = ("rate_limit", "server", "timeout", "connection", "malformed", "truncated", "content_filter", "context_length")
    ideal = world.model()
    faulty = FaultyModel(world.model(), seed=SEED, rates=dict.fromkeys(kinds, 0.1 / len(kinds)), key=asked)
    for model in (ideal, faulty):
        async with faulty_runs.team_of(model) as team:
            answer = await team.aask(world.QUESTION, corpus)
        assert answer.answer == world.ANSWER
        assert answer.coverage.failed == 0
        assert answer.coverage.shards_read == answer.coverage.shards >= DOCUMENTS
        assert not answer.notices
    calls = answer.usage.calls
    record(
        "10% mixed faults in process",
        shards=answer.coverage.shards,
        faults=dict(faulty.faults),
        calls=calls,
        ideal=len(ideal.calls),
    )
    assert calls <= MOST_CALLS * len(ideal.calls)
    assert faulty.faults.total() >= 0.06 * len(ideal.calls)


# ------------------------------------------------------------------ one shard


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(500, "<html>oops</html>"), "HTTP 500"),
        (Fault(reset=True), "broke"),
        (reply("I would rather not."), "is not what was asked for"),
        (b"<html>", "is not JSON"),
        ({"choices": []}, "holds no answer"),
        (reply("", finish="content_filter"), "refused"),
        (refusal(400, "flagged", code="content_filter"), "flagged (HTTP 400)"),
        (refusal(400, "surprise"), "surprise (HTTP 400)"),
    ],
)
async def test_a_shard_that_always_fails_costs_that_shard(fault: Any, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_backoff", lambda _: 0.02)

    def answer(body: dict[str, Any]) -> Any:
        poisoned = role_of(body) == "reader" and "The 200th ledger" in body["messages"][1]["content"]
        return fault if poisoned else faulty_runs.answer(body)

    async with FakeEndpoint(answer) as endpoint, faulty_runs.team(endpoint) as team:
        given = await team.aask(world.QUESTION, world.corpus(24, length=20))
    assert given.answer == world.ANSWER
    assert given.coverage.failed == 1
    assert given.coverage.shards_read == given.coverage.shards - 1
    [notice] = given.notices
    assert notice.startswith(f"1 of {given.coverage.shards} shards could not be read: ")
    assert told in notice
    assert "\n" not in notice
    assert "sk-none-of-it" not in given.model_dump_json()


async def test_a_shard_too_long_for_the_server_is_split_until_it_fits_and_nothing_of_it_is_lost() -> None:
    most = 700  # characters of a shard's text, of about 1,800
    accepted: list[str] = []

    def answer(body: dict[str, Any]) -> Any:
        if role_of(body) == "reader":
            shard = re.split(r"=== text \S+ (?:begins|ends) ===", body["messages"][1]["content"])[1]
            if len(shard) > most:
                return refusal(400, "This model's maximum context length is 700 tokens.", code="context_length_exceeded")
            accepted.append(shard)
        return faulty_runs.answer(body)

    documents = world.documents(8, length=20)
    async with FakeEndpoint(answer) as endpoint, faulty_runs.team(endpoint) as team:
        given = await team.aask(world.QUESTION, world.Corpus.load(documents))
    assert given.answer == world.ANSWER
    assert given.coverage.failed == 0
    assert given.coverage.shards_read == given.coverage.shards
    assert not given.notices
    assert len(accepted) >= 3 * len(documents)
    for number, document in enumerate(documents):
        unread = {at for at, letter in enumerate(document.text) if not letter.isspace()}
        for piece in PIECE.finditer("\n\n".join(accepted)):
            if int(piece["ledger"]) == number:
                start, text = int(piece["start"] or 0), piece["text"].rstrip()
                assert document.text.startswith(text, start)
                unread.difference_update(range(start, start + len(text)))
        assert not unread


# ------------------------------------------------------------------ the answer's stream


async def test_a_stream_that_stalls_is_left_and_its_text_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_compatible, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(gate, "_backoff", lambda _: 0.02)
    text = Fused(answerable=True, answer=f"It is {world.ANSWER}.", confidence=0.9, facts=[1, 2]).model_dump_json()
    streamed = 0

    def answer(body: dict[str, Any]) -> Any:
        nonlocal streamed
        if role_of(body) != "fusion":
            return faulty_runs.answer(body)
        streamed += 1
        return Fault(stall=8, text=text) if streamed <= 2 else text

    async with FakeEndpoint(answer) as endpoint, faulty_runs.team(endpoint, timeout=60.0) as team:
        happened = [
            event
            async for event in team.astream(world.QUESTION, world.corpus(12, length=20), instructions="Answer in a sentence.")
        ]
    given = happened[-1]
    assert isinstance(given, events.Answered)
    assert streamed == 3
    assert given.answer.answer == f"It is {world.ANSWER}."
    assert "".join(event.text for event in happened if isinstance(event, events.AnswerDelta)) == given.answer.answer
    assert given.answer.seconds < 30  # not the 60 s of an attempt
