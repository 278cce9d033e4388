"""Cancelling really cancels: by the endpoint's own count, no model call begins after it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypedDict

import pytest
import world
from integrations.waiting import Waiting, until
from langgraph.graph import START, StateGraph

from extagents import events
from extagents.integrations.langchain import ExtAgentsCompressor, ExtAgentsRetriever, ExtAgentsRunnable, as_node, extagents_tool
from extagents.integrations.sources import documents_from


class Asked(TypedDict, total=False):
    question: str
    over: Any
    answer: dict[str, Any]


def langchain_documents() -> list[Any]:
    from langchain_core.documents import Document

    return [Document(page_content=document.text, id=document.id) for document in world.documents()]


def graph_of(node: Any) -> Any:
    graph = StateGraph(Asked)
    graph.add_node("ask", node)
    graph.add_edge(START, "ask")
    return graph.compile()


def query_engine(waiting: Waiting) -> Any:
    from extagents.integrations.llamaindex import ExtAgentsQueryEngine

    return ExtAgentsQueryEngine(world.documents(), coordinator=waiting.team)


def llamaindex_retriever(waiting: Waiting) -> Any:
    from extagents.integrations.llamaindex import ExtAgentsRetriever as Retriever

    return Retriever(world.documents(), coordinator=waiting.team)


async def compressed_nodes(waiting: Waiting) -> Any:
    from llama_index.core.schema import NodeWithScore, TextNode

    from extagents.integrations.llamaindex import ExtAgentsNodePostprocessor

    nodes = [NodeWithScore(node=TextNode(text=document.text)) for document in world.documents()]
    processor = ExtAgentsNodePostprocessor(coordinator=waiting.team)
    return await processor.apostprocess_nodes(nodes, query_str=world.QUESTION)


async def streamed(waiting: Waiting) -> None:
    async for _ in ExtAgentsRunnable(world.corpus(), coordinator=waiting.team).astream(world.QUESTION):
        pass


GIVEN = {"question": world.QUESTION, "over": world.documents()}
WAYS: dict[str, Callable[[Waiting], Coroutine[Any, Any, Any]]] = {
    "runnable": lambda w: ExtAgentsRunnable(world.corpus(), coordinator=w.team).ainvoke(world.QUESTION),
    "chain": lambda w: (ExtAgentsRunnable(world.corpus(), coordinator=w.team) | str).ainvoke(world.QUESTION),
    "stream": streamed,
    "batch": lambda w: ExtAgentsRunnable(world.corpus(), coordinator=w.team).abatch([world.QUESTION, "Who was born?"]),
    "retriever": lambda w: ExtAgentsRetriever(over=world.documents(), coordinator=w.team).ainvoke(world.QUESTION),
    "compressor": lambda w: ExtAgentsCompressor(coordinator=w.team).acompress_documents(langchain_documents(), world.QUESTION),
    "tool": lambda w: extagents_tool(world.corpus(), coordinator=w.team).ainvoke({"question": world.QUESTION}),
    "node": lambda w: graph_of(as_node(w.team)).ainvoke(GIVEN),
    "graph": lambda w: graph_of(w.team.graph()).ainvoke(GIVEN),
    "query engine": lambda w: query_engine(w).aquery(world.QUESTION),
    "llamaindex retriever": lambda w: llamaindex_retriever(w).aretrieve(world.QUESTION),
    "postprocessor": compressed_nodes,
}


@pytest.mark.parametrize("way", WAYS)
async def test_no_call_begins_after_a_task_is_cancelled(waiting: Waiting, way: str):
    task = asyncio.create_task(WAYS[way](waiting))
    await waiting.reading()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await waiting.nothing_more(waiting.begun)


async def test_without_cancelling_the_same_run_goes_on(waiting: Waiting):
    """What the other tests stand on: the readers that wait would have been followed by many more."""
    task = asyncio.create_task(WAYS["runnable"](waiting))
    await waiting.reading()
    begun = waiting.begun
    waiting._let.set()
    await task
    with pytest.raises(AssertionError):
        await waiting.nothing_more(begun)
    assert waiting.begun > begun + 10


async def test_no_call_begins_after_a_stream_is_closed(waiting: Waiting):
    stream = ExtAgentsRunnable(world.corpus(), coordinator=waiting.team).astream(world.QUESTION)
    async for event in stream:
        if isinstance(event, events.WaveStarted):
            break
    await waiting.reading()
    await stream.aclose()
    await waiting.nothing_more(waiting.begun)


@pytest.mark.parametrize("output", ["answer", "text"])
async def test_no_call_begins_after_a_blocking_stream_is_closed(waiting: Waiting, output: Any):
    opened, close, closed = threading.Event(), threading.Event(), threading.Event()

    def watch() -> None:
        runnable = ExtAgentsRunnable(world.corpus(), coordinator=waiting.team)
        stream = runnable.stream(world.QUESTION)
        for event in stream:
            if isinstance(event, events.WaveStarted):
                break
        opened.set()
        close.wait()
        stream.close()
        closed.set()

    watching = asyncio.create_task(asyncio.to_thread(watch))
    await waiting.reading()
    await asyncio.to_thread(opened.wait)
    close.set()
    await watching
    await until(lambda: waiting.endpoint.in_flight == 0)
    assert closed.is_set()
    await waiting.nothing_more(waiting.begun)


async def test_no_call_begins_after_a_graph_is_interrupted_by_its_time(waiting: Waiting):
    graph = graph_of(as_node(waiting.team))

    async def reading_then_over() -> None:
        async with asyncio.timeout(None) as scope:
            task = asyncio.create_task(waiting.reading())
            task.add_done_callback(lambda _: scope.reschedule(asyncio.get_running_loop().time()))
            await graph.ainvoke(GIVEN)

    with pytest.raises(TimeoutError):
        await reading_then_over()
    await waiting.nothing_more(waiting.begun)


def test_what_is_converted_for_cancelling_is_the_world():
    assert [one.text for one in documents_from(langchain_documents())] == [one.text for one in world.documents()]
