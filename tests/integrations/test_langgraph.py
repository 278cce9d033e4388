"""The graph in a user's own graph: as it is, and as a node with the user's keys; streams, checkpointers, crashes."""

from __future__ import annotations

import asyncio
import json
import operator
import threading
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
import world
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import RetryPolicy, Send

from extagents import Coordinator, InputError, events
from extagents.errors import CallError
from extagents.integrations.langchain import ExtAgentsRunnable, as_node
from extagents.testing import ScriptedModel

CONFIG: Any = {"configurable": {"thread_id": "1"}}


class Mine(TypedDict, total=False):
    my_question: str
    my_docs: Any
    my_answer: dict[str, Any]
    my_text: str
    shout: str


class Theirs(TypedDict, total=False):
    question: str
    over: Any
    answer: dict[str, Any]
    shout: str


def shouting(node: Any, state: Any = Mine, key: str = "my_answer", **compile_options: Any) -> Any:
    """A user's graph: ask, then shout the answer."""
    graph = StateGraph(state)
    graph.add_node("ask", node)
    graph.add_node("shout", lambda state: {"shout": state[key]["answer"].upper()})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "shout")
    graph.add_edge("shout", END)
    return graph.compile(**compile_options)


def node(team: Coordinator, **options: Any) -> Any:
    return as_node(team, question="my_question", over="my_docs", answer="my_answer", **options)


def asked(**more: Any) -> dict[str, Any]:
    return {"my_question": world.QUESTION, "my_docs": world.documents()} | more


async def test_a_node_with_the_users_own_keys_blocking_and_awaited(team):
    graph = shouting(node(team, text="my_text"))
    for result in (graph.invoke(asked()), await graph.ainvoke(asked())):
        assert result["shout"] == world.ANSWER.upper()
        assert result["my_text"] == world.ANSWER
        assert result["my_answer"]["citations"]


async def test_the_shortest_graph(handbook):
    class State(TypedDict, total=False):
        question: str
        answer: dict[str, Any]

    graph = StateGraph(State)
    graph.add_node("ask", as_node(corpus="handbook/"))
    graph.add_edge(START, "ask")
    result = await graph.compile().ainvoke({"question": "How many days of leave do new employees have?"})
    assert result["answer"]["answer"] == "25 days"


async def test_the_whole_graph_stands_in_a_users_graph_blocking_and_awaited(team):
    graph = shouting(team.graph(), Theirs, "answer", checkpointer=InMemorySaver())
    given = {"question": world.QUESTION, "over": world.documents()}
    assert (await graph.ainvoke(given, CONFIG))["shout"] == world.ANSWER.upper()
    assert (await asyncio.to_thread(graph.invoke, given, {"configurable": {"thread_id": "2"}}))["shout"] == world.ANSWER.upper()
    assert graph.invoke(given, {"configurable": {"thread_id": "3"}})["shout"] == world.ANSWER.upper()


@pytest.mark.parametrize("whole", [True, False])
async def test_custom_and_update_streams_bring_events_and_steps(team, whole):
    graph = shouting(team.graph(), Theirs, "answer") if whole else shouting(node(team))
    given = {"question": world.QUESTION, "over": world.documents()} if whole else asked()
    told: dict[str, list[Any]] = {"custom": [], "updates": []}
    async for space, mode, data in graph.astream(given, stream_mode=["custom", "updates"], subgraphs=True):
        told[mode].append((space, data))
    kinds = {type(event) for _, event in told["custom"]}
    assert {events.Planned, events.WaveStarted, events.ShardRead, events.FactsFound} <= kinds
    steps = [name for _, update in told["updates"] for name in update]
    assert steps[-2:] == ["ask", "shout"]
    if whole:
        assert {"plan", "read", "reason", "fuse"} <= set(steps)
        assert all("ledger" not in str(update) for space, update in told["updates"] if space and "fuse" not in update)
    blocking = [event for mode, event in graph.stream(given, stream_mode=["custom", "updates"]) if mode == "custom"]
    assert whole or any(isinstance(event, events.ShardRead) for event in blocking)


async def test_events_are_written_in_the_callers_own_thread(team, monkeypatch):
    """A stream of LangGraph belongs to the loop that it is read in; the run goes on in another."""
    threads: set[int] = set()
    monkeypatch.setattr("extagents.graph.get_stream_writer", lambda: lambda event: threads.add(threading.get_ident()))
    await shouting(team.graph(), Theirs, "answer").ainvoke({"question": world.QUESTION, "over": world.corpus()})
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("blocking", [True, False])
async def test_as_many_read_at_a_time_as_may_however_few_threads_there_are(blocking):
    reading, all_here = 0, asyncio.Event()

    async def read(prompt: Any) -> Any:
        nonlocal reading
        reading += 1
        if reading == 24:
            all_here.set()
        await asyncio.wait_for(all_here.wait(), 20)
        return world.read(prompt)

    options: dict[str, Any] = {"memory": "memory://", "window": 8_000, "shard_tokens": 450, "effort": "thorough"}
    async with Coordinator(world.model(reader=read), concurrency=24, **options) as made:
        graph, given = shouting(made.graph(), Theirs, "answer"), {"question": world.QUESTION, "over": world.corpus()}
        result = await (asyncio.to_thread(graph.invoke, given) if blocking else graph.ainvoke(given))
    assert result["shout"] == world.ANSWER.upper()


async def test_events_come_while_the_run_goes_on(team):
    """The first read is told before the last: events are not kept until the node ends."""
    seen: list[int] = []
    async for event in shouting(node(team)).astream(asked(), stream_mode="custom"):
        if isinstance(event, events.ShardRead):
            seen.append(len(team._model.calls))
    assert seen[0] < len(team._model.calls)


async def test_any_checkpointer_holds_json_alone(team, monkeypatch):
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "true")
    saver = InMemorySaver()
    graph = shouting(node(team, corpus=world.documents()), checkpointer=saver)
    await graph.ainvoke({"my_question": world.QUESTION}, CONFIG)
    held = await graph.aget_state(CONFIG)
    json.dumps(held.values)
    assert held.values["my_answer"]["answer"] == world.ANSWER
    kept = [checkpoint async for checkpoint in saver.alist(None)]
    assert {checkpoint.config["configurable"]["checkpoint_ns"] for checkpoint in kept} == {""}  # nothing of the run itself
    assert "great detail" not in str([checkpoint.checkpoint["channel_values"] for checkpoint in kept]).replace(
        str(held.values["my_answer"]["citations"]), ""
    )


async def test_a_checkpointer_that_lives_in_the_callers_loop_is_not_asked_from_ours(team):
    """Asking inside a node must not carry the user's checkpointer into our loop."""

    class OfOneLoop(InMemorySaver):
        def __init__(self) -> None:
            super().__init__()
            self.loops: set[int] = set()

        async def aput(self, *given: Any, **more: Any) -> Any:
            self.loops.add(id(asyncio.get_running_loop()))
            return await super().aput(*given, **more)

        async def aput_writes(self, *given: Any, **more: Any) -> Any:
            self.loops.add(id(asyncio.get_running_loop()))
            return await super().aput_writes(*given, **more)

    async def ask(state: Mine) -> Mine:
        answer = await team.aask(state["my_question"], world.documents())
        by_runnable = await ExtAgentsRunnable(world.corpus(), coordinator=team).ainvoke(state["my_question"])
        return {"my_answer": answer.model_dump(mode="json"), "my_text": by_runnable.text}

    saver = OfOneLoop()
    result = await shouting(ask, checkpointer=saver).ainvoke({"my_question": world.QUESTION}, CONFIG)
    assert result["my_text"] == world.ANSWER
    assert saver.loops == {id(asyncio.get_running_loop())}


async def test_an_awaited_sqlite_checkpointer(team, tmp_path):
    given = {"question": world.QUESTION, "over": world.documents(8)}
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        nodes = shouting(node(team), checkpointer=saver), shouting(team.graph(), Theirs, "answer", checkpointer=saver)
        for thread, (graph, asked_) in enumerate(zip(nodes, (asked(), given), strict=True)):
            config: Any = {"configurable": {"thread_id": str(thread)}}
            assert (await graph.ainvoke(asked_, config))["shout"] == world.ANSWER.upper()
            assert (await graph.aget_state(config)).values["shout"] == world.ANSWER.upper()


@pytest.mark.parametrize("whole", [True, False])
def test_a_blocking_sqlite_checkpointer(team, tmp_path, whole):
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        graph = shouting(team.graph() if whole else node(team), *((Theirs, "answer") if whole else ()), checkpointer=saver)
        given = {"question": world.QUESTION, "over": world.documents(8)} if whole else asked()
        assert graph.invoke(given, CONFIG)["shout"] == world.ANSWER.upper()
        assert graph.get_state(CONFIG).values["shout"] == world.ANSWER.upper()


@pytest.mark.parametrize("whole", [True, False])
async def test_a_step_done_again_asks_nothing_twice(tmp_path: Path, whole):
    """A step that failed in the middle is done again from the checkpoint, by another coordinator: nothing is paid anew."""
    memory = f"sqlite:///{tmp_path / 'memory.db'}"

    def broken(prompt: Any) -> Exception:
        return CallError("auth", "the key has run out")

    def graph_of(model: ScriptedModel, saver: Any) -> Any:
        made = Coordinator(model, memory=memory, window=8_000, shard_tokens=450, effort="thorough")
        if whole:
            return made, shouting(made.graph(), Theirs, "answer", checkpointer=saver)
        return made, shouting(node(made), checkpointer=saver)

    saver = InMemorySaver()
    first = world.model(reasoner=broken, single=broken)
    given = {"question": world.QUESTION, "over": world.documents()} if whole else asked()
    made, graph = graph_of(first, saver)
    with pytest.raises(Exception, match="run out"):
        await graph.ainvoke(given, CONFIG)
    await made.aclose()
    read = {call.inputs.shard.id for call in first.calls if call.role == "reader"}
    assert read
    again = world.model()
    made, graph = graph_of(again, saver)
    async with made:
        assert (await graph.ainvoke(None, CONFIG))["shout"] == world.ANSWER.upper()
        assert len(made.runs()) == 1
    twice = [call for call in again.calls if call.role == "reader" and call.inputs.round == 1 and call.inputs.shard.id in read]
    assert twice == []
    assert not [call for call in again.calls if call.role == "planner"]


@pytest.mark.parametrize("whole", [True, False])
async def test_a_step_whose_input_changed_meanwhile_is_done_anew(tmp_path: Path, whole):
    memory, saver = f"sqlite:///{tmp_path / 'memory.db'}", InMemorySaver()
    folder = tmp_path / "docs"
    folder.mkdir()
    for document in world.documents(8):
        (folder / f"{document.id}.txt").write_text(document.text, encoding="utf-8")
    failing = world.model(reasoner=lambda _: CallError("auth", "no key"), single=lambda _: CallError("auth", "no key"))
    for model in (failing, world.model()):
        async with Coordinator(model, memory=memory) as made:
            if whole:
                graph = shouting(made.graph(), Theirs, "answer", checkpointer=saver)
            else:
                graph = shouting(node(made), checkpointer=saver)
            if model is failing:
                given = {"question": world.QUESTION, "over": str(folder)} if whole else asked(my_docs=str(folder))
                with pytest.raises(Exception, match="no key"):
                    await graph.ainvoke(given, CONFIG)
                (folder / "more.txt").write_text("One more page.", encoding="utf-8")
            else:
                assert (await graph.ainvoke(None, CONFIG))["shout"] == world.ANSWER.upper()


async def test_a_retry_policy_goes_on_with_what_was_paid(team):
    calls = 0

    def sometimes(prompt: Any) -> Any:
        nonlocal calls
        calls += 1
        return CallError("auth", "not yet") if calls == 1 else world.judge(prompt)

    model = world.model(reasoner=sometimes)
    made = Coordinator(model, memory="memory://", window=8_000, shard_tokens=450)
    graph = StateGraph(Mine)
    retry = RetryPolicy(initial_interval=0.01, max_attempts=2, retry_on=Exception, jitter=False)
    graph.add_node("ask", node(made), retry_policy=retry)
    graph.add_edge(START, "ask")
    result = await graph.compile().ainvoke(asked())
    assert result["my_text" if "my_text" in result else "my_answer"]["answer"] == world.ANSWER
    assert len([call for call in model.calls if call.role == "planner"]) == 1
    await made.aclose()


async def test_the_last_message_is_asked_and_those_before_it_are_history(team):
    class State(MessagesState):
        answer: dict[str, Any]

    graph = StateGraph(State)
    graph.add_node("ask", as_node(team, question="messages", corpus=world.corpus()))
    graph.add_edge(START, "ask")
    said = [("user", "Hello"), ("ai", "Yes?"), ("user", world.QUESTION)]
    result = await graph.compile().ainvoke({"messages": said})
    assert result["answer"]["answer"] == world.ANSWER
    planned = next(call for call in team._model.calls if call.role == "planner").inputs
    assert [turn.content for turn in planned.history] == ["Hello", "Yes?"]


async def test_what_is_missing_in_the_state_is_said(team):
    for given, missing in (({"my_docs": world.documents()}, "my_question"), ({"my_question": "Who?"}, "my_docs")):
        with pytest.raises(InputError, match=missing) as caught:
            await shouting(node(team)).ainvoke(given)
        assert isinstance(caught.value, ValueError)
    with pytest.raises(InputError, match="empty"):
        await shouting(team.graph(), Theirs, "answer").ainvoke({"over": world.documents()})


class Many(TypedDict, total=False):
    questions: list[str]
    texts: Annotated[list[str], operator.add]


async def test_many_questions_fan_out_to_the_node(team):
    async def ask(state: Mine) -> dict[str, Any]:
        return {"texts": [(await node(team, corpus=world.corpus()).ainvoke(state))["my_answer"]["answer"]]}

    graph = StateGraph(Many)
    graph.add_node("ask", ask)
    graph.add_conditional_edges(START, lambda state: [Send("ask", {"my_question": one}) for one in state["questions"]], ["ask"])
    result = await graph.compile().ainvoke({"questions": [world.QUESTION] * 3})
    assert result["texts"] == [world.ANSWER] * 3


def test_the_graph_can_be_drawn(team):
    drawn = team.graph().get_graph().draw_mermaid()
    for name in ("plan", "read", "reason", "fuse"):
        assert name in drawn
