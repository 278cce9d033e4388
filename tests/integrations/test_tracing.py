"""Traces: run → round → call with tokens, under the caller's span, without text unless asked."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import world
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.documents import Document as LangChainDocument
from langchain_core.tracers.langchain import LangChainTracer
from langgraph.graph import START, StateGraph
from langsmith import Client
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel

from extagents import Budget, Coordinator, observing
from extagents.errors import CallError, InputError
from extagents.integrations import tracing
from extagents.integrations.langchain import ExtAgentsRetriever, ExtAgentsRunnable, as_node, extagents_tool
from extagents.memory.open import open_memory
from extagents.settings import Settings

SECRETS = ("Tanager", "Oskerby", "Corvid", "great detail", "In which town")


class Recorded:
    """The spans that were ended, by name."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("the caller's")

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def named(self, start: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.startswith(start)]

    def text(self) -> str:
        return "\n".join(span.to_json() for span in self.spans)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    tracing.instrument(made.provider)
    yield made
    tracing.uninstrument()


def of(span: ReadableSpan) -> Any:
    return span.attributes


# ------------------------------------------------------------------ OpenTelemetry


async def test_run_round_and_call_stand_in_each_other_with_tokens(recorded, team):
    answer = await team.aask(world.QUESTION, world.corpus())
    (run,) = recorded.named("invoke_workflow")
    rounds, calls = recorded.named("round"), recorded.named("chat")
    readers = [call for call in calls if of(call)["gen_ai.agent.name"] == "reader"]
    ids = {one.context.span_id for one in rounds}
    assert rounds
    assert readers
    assert {one.parent.span_id for one in rounds} == {run.context.span_id}
    assert {one.parent.span_id for one in readers} <= ids
    assert {one.parent.span_id for one in calls if one not in readers} == {run.context.span_id}
    assert {one.context.trace_id for one in recorded.spans} == {run.context.trace_id}
    for call in calls:
        assert call.kind is SpanKind.CLIENT
        assert of(call)["gen_ai.operation.name"] == "chat"
        assert of(call)["gen_ai.request.model"] == "scripted"
        assert of(call)["gen_ai.usage.input_tokens"] > 0
        assert of(call)["gen_ai.usage.cache_read.input_tokens"] == 0
        assert of(call)["extagents.outcome"] == "answered"
    for name, told in (("input", answer.usage.input_tokens), ("output", answer.usage.output_tokens)):
        assert sum(of(call)[f"gen_ai.usage.{name}_tokens"] for call in calls) == told == of(run)[f"gen_ai.usage.{name}_tokens"]
    assert of(run)["extagents.run.id"] == answer.run_id
    assert of(run)["extagents.outcome"] == "answered"
    assert of(run)["extagents.coverage.shards_read"] == answer.coverage.shards_read
    assert sum(of(one)["extagents.read"] for one in rounds) == len(readers)
    assert sum(of(one)["extagents.facts"] for one in rounds) > 0
    assert len({of(one)["extagents.shard"] for one in readers}) == answer.coverage.shards_read


async def test_no_text_is_shown_unless_asked(recorded):
    for content in (False, True):
        tracing.instrument(recorded.provider, content=content)
        recorded.exporter.clear()
        async with Coordinator(world.model(), memory="memory://", window=8_000, shard_tokens=450) as team:
            await team.aask(world.QUESTION, world.corpus())
        assert [secret for secret in SECRETS if secret in recorded.text()] == (list(SECRETS) if content else [])
    said = json.loads(of(recorded.named("invoke_workflow")[0])["gen_ai.output.messages"])
    assert said == [{"role": "assistant", "parts": [{"type": "text", "content": world.ANSWER}]}]


async def test_the_setting_shows_text_where_it_is_not_said_otherwise(recorded):
    async with Coordinator(world.model(), memory="memory://", settings=Settings(trace_content=True)) as team:
        await team.aask(world.QUESTION, world.corpus(8))
        assert "Tanager" in recorded.text()
        tracing.instrument(recorded.provider, content=False)
        recorded.exporter.clear()
        await team.aask(world.QUESTION, world.corpus(8))
        assert "Tanager" not in recorded.text()


@pytest.mark.parametrize("blocking", [True, False])
async def test_the_callers_span_is_the_parent_though_the_work_is_done_elsewhere(recorded, team, blocking):
    with recorded.tracer.start_as_current_span("mine") as mine:
        if blocking:
            team.ask(world.QUESTION, world.corpus(8))
        else:
            await team.aask(world.QUESTION, world.corpus(8))
    (run,) = recorded.named("invoke_workflow")
    assert run.parent.span_id == mine.get_span_context().span_id
    assert run.context.trace_id == mine.get_span_context().trace_id


async def test_spans_of_the_models_client_stand_in_the_call(recorded):
    def asked(prompt: Any) -> Any:
        with recorded.tracer.start_as_current_span("POST"):
            return world.read(prompt)

    async with Coordinator(world.model(reader=asked), memory="memory://", window=8_000, shard_tokens=450) as team:
        await team.aask(world.QUESTION, world.corpus())
    calls = {call.context.span_id: call for call in recorded.named("chat")}
    posts = recorded.named("POST")
    assert posts
    assert {of(calls[post.parent.span_id])["gen_ai.agent.name"] for post in posts} == {"reader"}


async def test_failed_stopped_and_cancelled_calls_say_so(recorded):
    refusals = iter([CallError("content_filter", "Tanager may not be spoken of")] * 3)

    def refusing(prompt: Any) -> Any:
        return next(refusals, None) or world.read(prompt)

    options: dict[str, Any] = {"memory": "memory://", "window": 8_000, "shard_tokens": 450}
    async with Coordinator(world.model(reader=refusing), concurrency=1, **options) as team:
        await team.aask(world.QUESTION, world.corpus())
    (failed,) = [call for call in recorded.named("chat") if of(call)["extagents.outcome"] == "failed"]
    assert of(failed)["error.type"] == "content_filter"
    assert failed.status.status_code is StatusCode.ERROR
    assert of(failed)["extagents.attempts"] == 3
    assert "Tanager" not in recorded.text()
    recorded.exporter.clear()

    async with Coordinator(world.model(), budget=Budget(calls=6), concurrency=1, **options) as team:
        assert (await team.aask(world.QUESTION, world.corpus())).partial
    assert {of(call).get("extagents.stopped_by") for call in recorded.named("chat")} == {None, "budget"}
    assert of(recorded.named("invoke_workflow")[0])["extagents.outcome"].endswith("stopped by budget")
    recorded.exporter.clear()

    reading = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def hanging(prompt: Any) -> Any:
        loop.call_soon_threadsafe(reading.set)
        await asyncio.get_running_loop().create_future()

    async with Coordinator(world.model(reader=hanging), **options) as team:
        task = asyncio.create_task(team.aask(world.QUESTION, world.corpus()))
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert "cancelled" in {of(call)["extagents.outcome"] for call in recorded.named("chat")}
    assert of(recorded.named("invoke_workflow")[0])["extagents.outcome"] == "cancelled"
    assert recorded.named("round")


async def test_a_run_that_fails_is_an_error(recorded):
    def refuse(prompt: Any) -> Exception:
        return CallError("auth", "Oskerby is not a key")

    async with Coordinator(world.model(reader=refuse, single=refuse), memory="memory://") as team:
        with pytest.raises(Exception, match="key"):
            await team.aask(world.QUESTION, world.corpus())
    (run,) = recorded.named("invoke_workflow")
    assert run.status.status_code is StatusCode.ERROR
    assert of(run)["error.type"] == "auth"
    assert of(run)["extagents.outcome"] == "failed"
    assert "Oskerby" not in recorded.text()


async def test_calls_that_were_paid_before_are_replayed_and_count_nothing(recorded):
    asked = itertools.count()

    def once(prompt: Any) -> Any:
        return CallError("auth", "no key") if next(asked) else world.judge(prompt)

    memory, options = open_memory("memory://"), {"run": "mine"}
    refusing = world.model(reasoner=once, single=lambda _: CallError("auth", "no key"))
    async with Coordinator(refusing, memory=memory, window=8_000, shard_tokens=450) as team:
        with pytest.raises(Exception, match="no key"):
            await team.aask(world.QUESTION, world.corpus(), **options)
    recorded.exporter.clear()
    async with Coordinator(world.model(), memory=memory, window=8_000, shard_tokens=450) as team:
        await team.aask(world.QUESTION, world.corpus(), **options, resume=True)
    replayed = [call for call in recorded.named("chat") if of(call)["extagents.outcome"] == "replayed"]
    assert {of(call)["gen_ai.agent.name"] for call in replayed} == {"reasoner"}
    assert all("gen_ai.usage.input_tokens" not in of(call) for call in replayed)


async def test_questions_of_a_batch_have_runs_of_their_own_and_their_shared_calls_are_told(recorded):
    def together(prompt: Any) -> Any:
        if "readings" not in prompt.output.model_fields:
            return world.read(prompt)
        found = [step for step in world.STEPS if step in str([one.text for one in prompt.inputs.shard.sections])]
        facts = [{"claim": step, "quote": step, "relevance": 0.9} for step in found]
        count = len(prompt.inputs.questions)
        readings = [{"question": n + 1, "facts": facts, "queries": [], "continues": False} for n in range(count)]
        return prompt.output.model_validate({"readings": readings})

    options: dict[str, Any] = {"memory": "memory://", "window": 16_000, "shard_tokens": 450}
    async with Coordinator(world.model(reader=together), **options) as team:
        answers = await team.abatch([world.QUESTION, world.QUESTION + " Say."], world.corpus(), questions_per_read=2)
    assert [answer.text for answer in answers] == [world.ANSWER] * 2
    runs = recorded.named("invoke_workflow")
    assert {of(run)["extagents.run.id"] for run in runs} == {answer.run_id for answer in answers}
    readers = [call for call in recorded.named("chat") if of(call)["gen_ai.agent.name"] == "reader"]
    assert readers
    ids = {one.context.span_id for one in recorded.named("round")}
    assert {call.parent.span_id for call in readers} <= ids


async def test_nothing_is_told_after_uninstrumenting_and_a_broken_trace_ends_no_run(recorded, team, caplog):
    tracing.uninstrument()
    assert observing.tracers == []
    await team.aask(world.QUESTION, world.corpus(8))
    assert recorded.spans == ()

    class Broken:
        def call_began(self, call: Any) -> Any:
            raise RuntimeError("out of order")

        def ended(self, end: Any) -> None:
            raise AssertionError("it was given up")

    def broken(run: Any) -> Any:
        return Broken()

    observing.tracers.append(broken)
    try:
        assert (await team.aask(world.QUESTION, world.corpus(8))).text
    finally:
        observing.tracers.remove(broken)
    assert "out of order" in caplog.text
    assert caplog.text.count("given up") == 1


# ------------------------------------------------------------------ LangChain's callbacks and LangSmith


class Sending(Client):
    """A client of LangSmith that keeps what it is to send."""

    def __init__(self) -> None:
        super().__init__(api_url="http://127.0.0.1:9", api_key="none", auto_batch_tracing=False, info={})
        self.told: dict[str, dict[str, Any]] = {}

    def create_run(self, name: str, inputs: Any, run_type: Any, **more: Any) -> None:
        self.told[str(more["id"])] = {"name": name, "inputs": inputs, "run_type": run_type, **more}

    def update_run(self, run_id: Any, **more: Any) -> None:
        told = {key: value for key, value in more.items() if value is not None}
        self.told.setdefault(str(run_id), {}).update(told)


class LangSmith:
    """LangSmith's tracer, and the runs that it was told of."""

    def __init__(self) -> None:
        self.client = Sending()
        self.runs = self.client.told
        self.tracer = LangChainTracer(client=self.client)

    def named(self, name: str) -> list[dict[str, Any]]:
        return [run for run in self.runs.values() if run.get("name", "").startswith(name)]

    def parent(self, run: dict[str, Any]) -> str:
        above = self.runs.get(str(run.get("parent_run_id")))
        return above["name"] if above else ""

    def text(self) -> str:
        return str(self.runs)


@contextmanager
def switched_on(smith: LangSmith) -> Iterator[None]:
    """As with LANGSMITH_TRACING=true, but for the client."""
    from langsmith.run_helpers import tracing_context

    with tracing_context(enabled=True, client=smith.client, project_name="tests"):
        yield


async def test_langsmith_shows_run_round_and_calls_with_tokens_and_no_text():
    smith = LangSmith()
    async with Coordinator(world.model(), memory="memory://", window=8_000, shard_tokens=450) as team:
        with switched_on(smith):
            answer = await team.aask(world.QUESTION, world.corpus())
    (run,) = smith.named("extagents")
    readers = smith.named("reader")
    assert {smith.parent(one) for one in smith.named("round")} == {"extagents"}
    assert {smith.parent(one) for one in readers} <= {one["name"] for one in smith.named("round")}
    assert {one["run_type"] for one in readers} == {"llm"}
    told = [one["extra"]["metadata"] for one in smith.runs.values() if one["run_type"] == "llm"]
    assert sum(one["usage_metadata"]["input_tokens"] for one in told) == answer.usage.input_tokens
    assert {one["ls_model_name"] for one in told} == {"scripted"}
    assert run["outputs"]["outcome"] == "answered"
    assert not [secret for secret in SECRETS if secret in smith.text()]
    steps = {"plan", "read", "reason", "fuse", "LangGraph"}  # of our graph: they are not told of besides
    assert not [one for one in smith.runs.values() if one["name"] in steps]


@pytest.mark.parametrize("content", [False, True])
async def test_components_hide_text_from_langsmith_unless_asked(content):
    smith = LangSmith()
    settings = Settings(trace_content=content)
    async with Coordinator(world.model(), memory="memory://", window=8_000, shard_tokens=450, settings=settings) as team:
        documents = [LangChainDocument(page_content=one.text, id=one.id) for one in world.documents()]
        runnable = ExtAgentsRunnable(documents, coordinator=team)
        config: Any = {"callbacks": [smith.tracer]}
        assert (await runnable.ainvoke(world.QUESTION, config)).text == world.ANSWER
        assert runnable.invoke(world.QUESTION, config).text == world.ANSWER
        assert [part async for part in runnable.astream(world.QUESTION, config)][-1].text == world.ANSWER
        assert list(runnable.stream(world.QUESTION, config))[-1].text == world.ANSWER
        assert ExtAgentsRetriever(over=documents, coordinator=team).invoke(world.QUESTION, config)[0].page_content
        assert await extagents_tool(documents, coordinator=team).ainvoke({"question": world.QUESTION}, config)
    assert len(smith.named("ExtAgents")) >= 5
    assert {smith.parent(one) for one in smith.named("extagents")} <= {"ExtAgents", "ExtAgentsRetriever", "ask_documents"}
    assert bool([secret for secret in SECRETS if secret in smith.text()]) is content


class Place(BaseModel):
    town: str


@pytest.mark.parametrize("include_raw", [False, True])
async def test_structured_output_is_one_run_and_hides_text_from_langsmith(team, include_raw):
    smith = LangSmith()
    config: Any = {"callbacks": [smith.tracer]}
    runnable = ExtAgentsRunnable(world.corpus(12), coordinator=team).with_structured_output(Place, include_raw=include_raw)
    for given in (
        runnable.invoke(world.QUESTION, config),
        await runnable.ainvoke(world.QUESTION, config),
        *runnable.stream(world.QUESTION, config),
        *[piece async for piece in runnable.astream(world.QUESTION, config)],
        *runnable.batch([world.QUESTION], config),
    ):
        assert world.ANSWER in (given["parsed"] if include_raw else given).town
    assert [one["name"] for one in smith.runs.values() if one.get("parent_run_id") is None] == ["ExtAgents"] * 5
    assert not [secret for secret in SECRETS if secret in smith.text()]


@pytest.mark.parametrize("mode", ["read", "search"])
def test_metadata_of_the_source_is_hidden_from_langsmith_whatever_its_keys(team, mode):
    smith = LangSmith()
    keys = ("reason", "facts", "goal", "outcome", "read", "run_id", "usage", "page", "title", "author", "start_index")
    metadata = dict.fromkeys(keys, "privately held") | {"salary": 81_234}
    documents = [LangChainDocument(page_content=one.text, id=one.id, metadata=metadata) for one in world.documents(12)]
    retriever = ExtAgentsRetriever(over=documents, coordinator=team, mode=mode)
    found = retriever.invoke(world.QUESTION, {"callbacks": [smith.tracer]})
    assert found[0].metadata["reason"] == "privately held"
    (run,) = smith.named("ExtAgentsRetriever")
    shown = run["outputs"]["documents"][0].metadata
    assert {"document", "start", "end", "relevance", "verified"} <= set(shown)
    assert shown["document"] == found[0].metadata["document"]
    assert not [secret for secret in (*SECRETS, "privately", "81234", "salary") if secret in smith.text()]


async def test_errors_of_components_are_told_to_langsmith_by_their_type(team):
    smith = LangSmith()
    config: Any = {"callbacks": [smith.tracer]}
    over = "nowhere/Tanager"
    with pytest.raises(InputError, match="Tanager"):
        ExtAgentsRunnable(over, coordinator=team).invoke(world.QUESTION, config)
    with pytest.raises(InputError, match="Tanager"):
        await ExtAgentsRetriever(over=over, coordinator=team).ainvoke(world.QUESTION, config)
    with pytest.raises(InputError, match="Tanager"):
        extagents_tool(over, coordinator=team).invoke({"question": world.QUESTION}, config)
    assert all("InputError" in smith.named(name)[0]["error"] for name in ("ExtAgents", "ExtAgentsRetriever", "ask_documents"))
    assert not [secret for secret in SECRETS if secret in smith.text()]


async def test_callbacks_count_the_tokens_of_a_run_once():
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    class Answering(GenericFakeChatModel):
        def _generate(self, messages: Any, *given: Any, **more: Any) -> Any:
            from langchain_core.outputs import ChatGeneration, ChatResult

            plan = '"core": "Who?", "instructions": "", "kind": "lookup", "answer_type": "text", "queries": []'
            text = f'{{{plan}, "facts": [], "answerable": false, "answer": "", "confidence": 0}}'
            usage = {"input_tokens": 100, "output_tokens": 7, "total_tokens": 107}
            message = AIMessage(text, usage_metadata=usage, response_metadata={"model_name": "fake"})
            return ChatResult(generations=[ChatGeneration(message=message)])

    class Prompts(BaseCallbackHandler):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def on_llm_start(self, serialized: Any, prompts: list[str], **_: Any) -> None:
            self.seen += prompts

        def on_chat_model_start(self, serialized: Any, messages: Any, **_: Any) -> None:
            self.seen.append(str(messages))

    counting, prompts = UsageMetadataCallbackHandler(), Prompts()
    async with Coordinator(Answering(messages=iter([])), memory="memory://", strategy="single", window=32_000) as team:
        runnable = ExtAgentsRunnable(world.corpus(4), coordinator=team)
        answer = await runnable.ainvoke(world.QUESTION, {"callbacks": [counting, prompts]})
    counted = sum(one["input_tokens"] for one in counting.usage_metadata.values())
    assert counted == answer.usage.input_tokens > 0
    assert prompts.seen
    assert set(prompts.seen) == {""}


async def test_a_node_of_a_users_graph_has_the_run_below_it():
    from typing import TypedDict

    smith = LangSmith()

    async def ask(state: dict[str, Any]) -> dict[str, Any]:
        return {"text": (await team.aask(state["asked"], world.corpus())).run_id}

    graph = StateGraph(TypedDict("State", {"asked": str, "text": str}))
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    async with Coordinator(world.model(), memory="memory://", window=8_000, shard_tokens=450) as team:
        await graph.compile().ainvoke({"asked": world.QUESTION}, {"callbacks": [smith.tracer]})
    (run,) = smith.named("extagents")
    assert smith.parent(run) == "ask"
    assert {one["name"] for one in smith.runs.values() if one["run_type"] == "llm"} >= {"planner", "reader", "reasoner"}
    assert "Tanager" not in smith.text()


async def test_a_node_shows_no_text_below_itself_nor_of_its_own_where_langgraph_is_told_so(team):
    from typing import TypedDict

    from langgraph.types import TracePolicy, omit_payload

    smith = LangSmith()
    graph = StateGraph(TypedDict("State", {"question": str, "answer": dict}))
    policy = TracePolicy(process_inputs=omit_payload, process_outputs=omit_payload)
    graph.add_node("ask", as_node(team, corpus=world.corpus(12)), trace_policy=policy)
    graph.add_edge(START, "ask")
    given = await graph.compile().ainvoke({"question": world.QUESTION}, {"callbacks": [smith.tracer]})
    assert given["answer"]["answer"] == world.ANSWER
    (whole,) = smith.named("LangGraph")
    (run,) = smith.named("extagents")
    assert smith.parent(run) == "ask"
    told = [one for one in smith.runs.values() if one is not whole]
    assert not [secret for secret in SECRETS if secret in str(told)]
    assert whole["inputs"] == {"question": world.QUESTION}  # the user's own graph: theirs to hide
