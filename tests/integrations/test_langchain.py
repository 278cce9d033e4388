"""LangChain: the shortest programs, in a script and in a running loop; types, errors, streams and batches."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
import world
from integrations.conftest import LEAVE, TRAVEL
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document as LangChainDocument
from langchain_core.exceptions import (
    LangChainException,
    ModelAuthenticationError,
    ModelNotFoundError,
    OutputParserException,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from pydantic import BaseModel

from extagents import Answer, Coordinator, Corpus, InputError, SettingsError, events
from extagents.errors import CallError, RunError
from extagents.integrations.langchain import (
    ExtAgentsCompressor,
    ExtAgentsRetriever,
    ExtAgentsRunnable,
    as_langchain,
    documents_from,
    extagents_tool,
)

LEAVE_QUESTION = "How many days of leave do new employees have?"
OFFICE_QUESTION = "Where is the finance office?"


def asking(team: Coordinator, **options: Any) -> ExtAgentsRunnable:
    return ExtAgentsRunnable(world.corpus(), coordinator=team, **options)


# ------------------------------------------------------------------ the Runnable


def test_the_shortest_chain(handbook):
    chain = ExtAgentsRunnable(over="handbook/") | (lambda answer: answer.text)
    assert chain.invoke(LEAVE_QUESTION) == "25 days"


async def test_blocking_and_awaited_in_a_running_loop(handbook):
    runnable = ExtAgentsRunnable(over="handbook/")
    assert runnable.invoke(LEAVE_QUESTION).text == "25 days"
    assert (await runnable.ainvoke(LEAVE_QUESTION)).text == "25 days"


def test_a_loop_that_lives_on_between_cells_as_in_a_notebook(handbook):
    loop = asyncio.new_event_loop()
    runnable = ExtAgentsRunnable(over="handbook/")

    async def cell(question: str) -> list[str]:
        return [runnable.invoke(question).text, (await runnable.ainvoke(question)).text]

    try:
        assert loop.run_until_complete(cell(LEAVE_QUESTION)) == ["25 days"] * 2
        assert loop.run_until_complete(cell(OFFICE_QUESTION)) == ["Oskerby"] * 2
    finally:
        loop.close()


def test_text_pipes_into_a_parser_and_streams(handbook):
    chain = ExtAgentsRunnable(over="handbook/", output="text") | StrOutputParser()
    assert chain.invoke(LEAVE_QUESTION) == "25 days"
    assert "".join(chain.stream(LEAVE_QUESTION)) == "25 days"


def test_the_input_comes_beside_the_question_as_mapping_or_bound(handbook):
    runnable = ExtAgentsRunnable()
    assert runnable.invoke({"question": LEAVE_QUESTION, "over": "handbook/", "other": 1}).text == "25 days"
    assert runnable.bind(over="handbook/").invoke(LEAVE_QUESTION).text == "25 days"
    keyed = {"question": RunnablePassthrough(), "over": lambda _: "handbook/"} | runnable
    assert keyed.invoke(LEAVE_QUESTION).text == "25 days"


def test_documents_of_langchain_are_read_with_their_ids_and_titles():
    documents = [
        LangChainDocument(page_content=LEAVE, metadata={"source": "hr/leave.md", "title": "Leave of absence"}),
        LangChainDocument(page_content=TRAVEL, id="travel-7"),
    ]
    answer = ExtAgentsRunnable(documents).invoke(OFFICE_QUESTION)
    assert [citation.document for citation in answer.citations] == ["travel-7"]
    ours = documents_from(documents)
    assert [(one.id, one.title, one.text) for one in ours] == [
        ("hr/leave.md", "Leave of absence", LEAVE),
        ("travel-7", "", TRAVEL),
    ]


def test_history_and_instructions_come_from_messages(team):
    model = team._model
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer in one word."), ("human", "Who founded it?"), ("ai", "Mirelle Tanager."), ("human", "{question}")]
    )
    assert (prompt | asking(team)).invoke({"question": world.QUESTION}).text == f"{world.ANSWER}!"
    planned = next(call for call in model.calls if call.role == "planner").inputs
    assert planned.question == world.QUESTION
    assert planned.instructions == "Answer in one word."
    assert [(turn.role, turn.content) for turn in planned.history] == [
        ("user", "Who founded it?"),
        ("assistant", "Mirelle Tanager."),
    ]


def test_history_of_messages_pairs_and_turns_is_understood(team):
    history = [
        HumanMessage("Who?"),
        AIMessage(""),
        SystemMessage("Shortly."),
        ("ai", "Tanager."),
        {"role": "user", "content": "So?"},
    ]
    asking(team).invoke({"question": world.QUESTION, "history": history})
    planned = next(call for call in team._model.calls if call.role == "planner").inputs
    assert [turn.content for turn in planned.history] == ["Who?", "Tanager.", "So?"]
    assert planned.instructions == "Shortly."


def test_a_stream_gives_typed_events_and_the_answer_last(team):
    told = list(asking(team).stream(world.QUESTION))
    assert isinstance(told[-1], Answer)
    assert told[-1].text == world.ANSWER
    assert {"planned", "wave", "shard_read", "facts", "verdict"} <= {event.type for event in told[:-1]}
    assert all(isinstance(event, BaseModel) for event in told)


async def test_what_follows_in_a_chain_gets_the_answer_when_streamed(team):
    chain = asking(team) | RunnableLambda(lambda answer: answer.text)
    assert [piece async for piece in chain.astream(world.QUESTION)] == [world.ANSWER]
    assert list(chain.stream(world.QUESTION)) == [world.ANSWER]


async def test_events_are_custom_events_wherever_the_runnable_stands(team):
    chain = RunnableLambda(lambda question: question) | asking(team) | (lambda answer: answer.text)
    told, ended = [], []
    async for event in chain.astream_events(world.QUESTION, version="v2"):
        if event["event"] == "on_custom_event":
            told.append(event["data"])
        if event["event"] == "on_chain_end" and event["name"] == "ExtAgents":
            ended.append(event["data"]["output"])
    assert any(isinstance(event, events.ShardRead) for event in told)
    assert [answer.text for answer in ended] == [world.ANSWER]


def test_a_callback_that_wants_events_hears_of_them_when_invoked(team):
    class Hearing(BaseCallbackHandler):
        def __init__(self) -> None:
            self.heard: list[tuple[str, Any]] = []

        def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
            self.heard.append((name, data))

    hearing = Hearing()
    assert asking(team).invoke(world.QUESTION, {"callbacks": [hearing]}).text == world.ANSWER
    assert {name for name, _ in hearing.heard} == {"extagents"}
    assert any(isinstance(data, events.WaveStarted) for _, data in hearing.heard)


def test_tags_metadata_and_names_reach_callbacks_but_never_the_documents(team):
    class Seeing(BaseCallbackHandler):
        def __init__(self) -> None:
            self.seen: list[dict[str, Any]] = []

        def on_chain_start(self, serialized: Any, inputs: Any, **more: Any) -> None:
            self.seen.append({"inputs": inputs, **more})

    seeing = Seeing()
    config = {"callbacks": [seeing], "tags": ["mine"], "metadata": {"who": "me"}, "run_name": "asked"}
    ExtAgentsRunnable(coordinator=team).invoke({"question": world.QUESTION, "over": world.documents()}, config)
    first = seeing.seen[0]
    assert first["name"] == "asked"
    assert first["tags"] == ["mine"]
    assert first["metadata"]["who"] == "me"
    assert "ledger" not in str(first["inputs"])


def test_schemas_of_input_and_output():
    runnable = ExtAgentsRunnable("handbook/")
    assert runnable.get_output_schema().model_json_schema()["title"] == "Answer"
    assert runnable.get_input_schema().model_validate(LEAVE_QUESTION)
    assert "question" in str(runnable.get_input_jsonschema())
    assert ExtAgentsRunnable("handbook/", output="text").get_output_jsonschema()["type"] == "string"


# ------------------------------------------------------------------ many questions


@pytest.mark.parametrize("config", [None, {"max_concurrency": 1}, [{"tags": ["a"]}, {"tags": ["b"]}, {}]])
def test_a_batch_in_order(handbook, config):
    answers = ExtAgentsRunnable("handbook/").batch([LEAVE_QUESTION, OFFICE_QUESTION, LEAVE_QUESTION], config)
    assert [answer.text for answer in answers] == ["25 days", "Oskerby", "25 days"]


async def test_a_batch_awaited_and_as_completed(handbook):
    runnable = ExtAgentsRunnable("handbook/", output="text")
    assert await runnable.abatch([LEAVE_QUESTION, {"question": OFFICE_QUESTION}]) == ["25 days", "Oskerby"]
    done = [pair async for pair in runnable.abatch_as_completed([LEAVE_QUESTION, OFFICE_QUESTION])]
    assert sorted(done) == [(0, "25 days"), (1, "Oskerby")]


def test_a_batch_over_one_input_is_one_batch_of_the_coordinator(handbook, monkeypatch):
    runnable, seen = ExtAgentsRunnable("handbook/"), []
    batch = runnable.coordinator.batch

    def watched(questions: Any, over: Any) -> Any:
        seen.append([question["question"] for question in questions])
        return batch(questions, over)

    monkeypatch.setattr(runnable.coordinator, "batch", watched)
    runnable.batch([LEAVE_QUESTION, OFFICE_QUESTION])
    assert seen == [[LEAVE_QUESTION, OFFICE_QUESTION]]
    runnable.over = [LangChainDocument(page_content=LEAVE), LangChainDocument(page_content=TRAVEL)]
    runnable.over = ExtAgentsRunnable(runnable.over).over
    assert [answer.text for answer in runnable.batch([LEAVE_QUESTION, OFFICE_QUESTION])] == ["25 days", "Oskerby"]
    assert seen.pop() == [LEAVE_QUESTION, OFFICE_QUESTION]
    runnable.batch([LEAVE_QUESTION, {"question": OFFICE_QUESTION, "over": "handbook/travel.md"}])
    assert len(seen) == 1  # inputs of their own: each by itself


async def test_a_question_of_a_batch_that_fails_leaves_the_others(team):
    runnable = asking(team)
    given = await runnable.abatch([world.QUESTION, ""], return_exceptions=True)
    assert given[0].text == world.ANSWER
    assert isinstance(given[1], InputError)
    assert isinstance(given[1], ValueError)
    with pytest.raises(ValueError, match="empty"):
        runnable.batch([world.QUESTION, ""])


# ------------------------------------------------------------------ forms


class Place(BaseModel):
    town: str


def test_structured_output_gives_the_filled_schema_or_a_parsers_error(team):
    team._model._answers["fusion"] = lambda prompt: '{"answerable": true, "answer": "x", "confidence": 1, "facts": [1]}'
    missing = ExtAgentsRunnable(world.corpus(steps=()), coordinator=team).with_structured_output(Place)
    with pytest.raises(OutputParserException, match="Nothing in the input"):
        missing.invoke(world.QUESTION)
    raw = ExtAgentsRunnable(world.corpus(steps=()), coordinator=team).with_structured_output(Place, include_raw=True)
    given = raw.invoke(world.QUESTION)
    assert isinstance(given["raw"], Answer)
    assert given["parsed"] is None
    assert isinstance(given["parsing_error"], OutputParserException)


def test_structured_output_of_an_answer(handbook):
    class Days(BaseModel):
        answer: str

    given = ExtAgentsRunnable("handbook/", schema=Days).invoke(LEAVE_QUESTION)
    assert given.data is None or isinstance(given.data, Days)


# ------------------------------------------------------------------ errors


def test_what_the_caller_can_mend_is_a_value_error_of_langchain_and_ours():
    with pytest.raises(InputError) as caught:
        ExtAgentsRunnable("nowhere/").invoke("Who?")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, LangChainException)
    assert type(caught.value.__cause__) is InputError
    assert "nowhere" in str(caught.value)
    with pytest.raises(ValueError, match="nothing to read"):
        ExtAgentsRunnable().invoke("Who?")
    with pytest.raises(ValueError, match="no text"):
        ExtAgentsRunnable("x").invoke(7)
    with pytest.raises(SettingsError, match="Both"):
        ExtAgentsRunnable("x", coordinator=Coordinator(), model="extractive")
    with pytest.raises(ValueError, match="no output"):
        ExtAgentsRunnable("x", output="poem")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"instructions": 5}, "instructions are no text but int"),
        ({"instructions": ["in one word"]}, "instructions are no text but list"),
        ({"history": 5}, "history is no list but int"),
        ({"history": [5]}, "turn of the history"),
        ({"history": "Who?"}, "turn of the history"),
        ({"schema": "Place"}, "schema"),
        ({"over": 5}, "Cannot read"),
    ],
)
async def test_what_goes_with_a_question_and_is_no_such_thing_is_a_value_error_of_ours(team, more, said):
    runnable, given = asking(team), {"question": world.QUESTION, **more}
    ways = (
        lambda: asyncio.to_thread(runnable.invoke, given),
        lambda: runnable.ainvoke(given),
        lambda: asyncio.to_thread(lambda: list(runnable.stream(given))),
        lambda: runnable.abatch([given, given]),
    )
    for way in ways:
        with pytest.raises(ValueError, match=said) as caught:
            await way()
        assert isinstance(caught.value, InputError)
        assert isinstance(caught.value, LangChainException)


@pytest.mark.parametrize("schema", ["Place", {"title": "Place"}, dict])
def test_structured_output_takes_models_only(team, schema):
    with pytest.raises(ValueError, match="no pydantic model") as caught:
        asking(team).with_structured_output(schema)
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize("mode", ["read", "search"])
@pytest.mark.parametrize("wanted", [{"k": "x"}, {"k": 0}, {"k": -1}, {"k": 1.5}, {"tokens": "x"}, {"tokens": 0}])
async def test_a_number_that_a_retriever_cannot_give_is_a_value_error_of_ours(team, mode, wanted):
    retriever = ExtAgentsRetriever(over=world.corpus(4), coordinator=team, mode=mode)
    for way in (lambda: asyncio.to_thread(retriever.invoke, "Who?", **wanted), lambda: retriever.ainvoke("Who?", **wanted)):
        with pytest.raises(ValueError, match=f"no {next(iter(wanted))} of") as caught:
            await way()
        assert isinstance(caught.value, InputError)
        assert isinstance(caught.value, LangChainException)


@pytest.mark.parametrize(("kind", "theirs"), [("auth", ModelAuthenticationError), ("not_found", ModelNotFoundError)])
async def test_a_failed_model_is_a_model_error_of_langchain(kind, theirs):
    def refuse(prompt: Any) -> Exception:
        return CallError(kind, "no such luck")

    runnable = ExtAgentsRunnable(
        world.corpus(), model=world.model(planner=refuse, reader=refuse, single=refuse, reasoner=refuse)
    )
    for failed in (lambda: asyncio.to_thread(runnable.invoke, world.QUESTION), lambda: runnable.ainvoke(world.QUESTION)):
        with pytest.raises(theirs) as caught:
            await failed()
        assert isinstance(caught.value, RunError)
        assert caught.value.run_id
        assert caught.value.is_retryable is caught.value.retryable


def test_fallbacks_and_retries_see_the_types(handbook):
    failing = ExtAgentsRunnable("nowhere/")
    saved = failing.with_fallbacks([ExtAgentsRunnable("handbook/")], exceptions_to_handle=(ValueError,))
    assert saved.invoke(LEAVE_QUESTION).text == "25 days"


def test_an_error_of_both_kinds_can_be_pickled():
    error = as_langchain(InputError("Nothing there.", hint="Look elsewhere.", run_id="7"))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert isinstance(again, InputError)
    assert isinstance(again, LangChainException)
    assert (str(again), again.run_id) == ("Nothing there. Look elsewhere.", "7")
    assert as_langchain(again) is again


# ------------------------------------------------------------------ the retriever


@pytest.mark.parametrize("mode", ["read", "search"])
async def test_what_is_retrieved_stands_in_its_source(mode):
    documents = {"leave": LEAVE, "travel": TRAVEL}
    given = [LangChainDocument(page_content=text, id=name, metadata={"year": 2026}) for name, text in documents.items()]
    retriever = ExtAgentsRetriever.from_documents(given, mode=mode)
    for found in (retriever.invoke(OFFICE_QUESTION), await retriever.ainvoke(OFFICE_QUESTION)):
        assert found
        for document in found:
            told = document.metadata
            assert document.page_content == documents[told["document"]][told["start"] : told["end"]]
            assert told["year"] == 2026
            assert told["verified"] is (mode == "read")
        best = found[0].metadata
        assert best["document"] == "travel"
        if mode == "read":
            assert best["quote"] in found[0].page_content
            assert best["run_id"]
            assert found == sorted(found, key=lambda one: -one.metadata["relevance"])


def test_a_chunk_knows_where_its_evidence_starts_in_its_source():
    before = 1_000
    chunk = LangChainDocument(page_content=TRAVEL, metadata={"source": "book.txt", "start_index": before})
    found = ExtAgentsRetriever.from_documents([chunk], granularity="sentence").invoke(OFFICE_QUESTION)[0]
    assert found.metadata["start_index"] == before + found.metadata["start"]
    assert found.metadata["source"] == "book.txt"


def test_a_retriever_in_a_chain(handbook):
    prompt = ChatPromptTemplate.from_template("{context}\n\n{question}")
    chain = {"context": ExtAgentsRetriever(over="handbook/"), "question": RunnablePassthrough()} | prompt
    assert "finance office in Oskerby" in chain.invoke(OFFICE_QUESTION).to_string()


def test_searching_asks_no_model(team):
    found = ExtAgentsRetriever(over=world.documents(), coordinator=team, mode="search", k=2).invoke(world.QUESTION)
    assert len(found) == 2
    assert team._model.calls == []


def test_what_a_retriever_cannot_do_is_said():
    with pytest.raises(ValueError, match="No such file"):
        ExtAgentsRetriever(over="nowhere/").invoke("Who?")
    with pytest.raises(ValueError, match="empty"):
        ExtAgentsRetriever(over=world.documents(4), mode="search").invoke(" ")
    with pytest.raises(ValueError, match="mode"):
        ExtAgentsRetriever(over="x", mode="guess")
    assert "ledger" not in repr(ExtAgentsRetriever(over=world.documents(2)))


# ------------------------------------------------------------------ the compressor


async def test_compressed_documents_keep_their_metadata_and_get_offsets():
    given = [
        LangChainDocument(page_content=LEAVE, metadata={"source": "a"}),
        LangChainDocument(page_content=TRAVEL, metadata={"source": "b", "start_index": 50}),
    ]
    compressor = ExtAgentsCompressor(tokens=40, granularity="sentence")
    blocking = compressor.compress_documents(given, OFFICE_QUESTION)
    assert blocking
    for kept in (blocking, await compressor.acompress_documents(given, OFFICE_QUESTION)):
        for document in kept:
            told = document.metadata
            whole = {"a": LEAVE, "b": TRAVEL}[told["source"]]
            assert document.page_content == whole[told["start"] : told["end"]]
        assert any(one.metadata["source"] == "b" and one.metadata["start_index"] == 50 + one.metadata["start"] for one in kept)
        assert sum(len(one.page_content) for one in kept) < len(LEAVE) + len(TRAVEL)


def test_a_compressor_behind_a_retriever(handbook):
    retriever = ExtAgentsRetriever(over="handbook/", mode="search")
    compressor = ExtAgentsCompressor(tokens=30, granularity="sentence")

    def compressed(question: str) -> Any:
        return compressor.compress_documents(retriever.invoke(question), question)

    assert "Oskerby" in RunnableLambda(compressed).invoke(OFFICE_QUESTION)[0].page_content


def test_a_compressor_in_langchains_own_retriever(handbook):
    from langchain_classic.retrievers import ContextualCompressionRetriever

    retriever = ContextualCompressionRetriever(
        base_retriever=ExtAgentsRetriever(over="handbook/", mode="search"), base_compressor=ExtAgentsCompressor(tokens=30)
    )
    assert "Oskerby" in retriever.invoke(OFFICE_QUESTION)[0].page_content


def test_nothing_to_compress_is_nothing():
    assert ExtAgentsCompressor().compress_documents([], "Who?") == []
    assert ExtAgentsCompressor().compress_documents([LangChainDocument(page_content=" ")], "Who?") == []


# ------------------------------------------------------------------ the tool


def test_a_chat_model_calls_the_tool(handbook):
    from langchain_core.language_models import GenericFakeChatModel
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition

    tool = extagents_tool("handbook/", description="Answers questions about the handbook.")
    call = {"name": tool.name, "args": {"question": OFFICE_QUESTION}, "id": "1", "type": "tool_call"}
    chat = GenericFakeChatModel(messages=iter([AIMessage("", tool_calls=[call]), AIMessage("In Oskerby [1].")]))
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [chat.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([tool]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition, ["tools", END])
    graph.add_edge("tools", "model")
    messages = graph.compile().invoke({"messages": [("user", OFFICE_QUESTION)]})["messages"]
    told = messages[2]
    assert told.content.startswith("Oskerby\n\nSources:\n[1] Travel (travel.md)")
    assert isinstance(told.artifact, Answer)
    assert messages[-1].content == "In Oskerby [1]."


async def test_errors_of_the_tool_are_handled_as_langchain_does():
    from langchain_core.tools import ToolException

    call = {"name": "ask_documents", "args": {"question": "Who?"}, "id": "1", "type": "tool_call"}
    raising = extagents_tool("nowhere/")
    for failed in (lambda: asyncio.to_thread(raising.invoke, call), lambda: raising.ainvoke(call)):
        with pytest.raises(ToolException) as caught:
            await failed()
        assert isinstance(caught.value, InputError)
    message = extagents_tool("nowhere/", handle_tool_error=True).invoke(call)
    assert message.status == "error"
    assert "No such file" in message.content


def test_the_tool_says_when_nothing_answers(team):
    tool = extagents_tool(world.corpus(steps=()), coordinator=team)
    assert tool.invoke({"question": world.QUESTION}).startswith("Nothing in the documents answers this.")
    assert "Corpus" not in str(tool.args)
    assert isinstance(world.corpus(), Corpus)
