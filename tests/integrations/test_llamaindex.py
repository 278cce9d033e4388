"""LlamaIndex: the shortest programs, in a script and in a running loop; offsets, sources, errors, instrumentation."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import world
from integrations.conftest import LEAVE, TRAVEL
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import Document, MetadataMode, NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode
from pydantic import BaseModel, Field

from extagents import Coordinator, InputError
from extagents.errors import CallError, ModelError
from extagents.integrations.llamaindex import (
    ExtAgentsNodePostprocessor,
    ExtAgentsQueryEngine,
    ExtAgentsRetriever,
    documents_from,
)

LEAVE_QUESTION = "How many days of leave do new employees have?"
OFFICE_QUESTION = "Where is the finance office?"


def given() -> list[Document]:
    return [Document(text=LEAVE, id_="leave", metadata={"year": 2026}), Document(text=TRAVEL, id_="travel")]


async def test_the_shortest_query_blocking_and_awaited(handbook):
    engine = ExtAgentsQueryEngine("handbook/")
    assert str(engine.query(LEAVE_QUESTION)) == "25 days"
    assert str(await engine.aquery(LEAVE_QUESTION)) == "25 days"


def test_a_response_has_its_sources_and_its_account():
    response = ExtAgentsQueryEngine(given()).query(LEAVE_QUESTION)
    node = response.source_nodes[0].node
    assert node.ref_doc_id == "leave"
    assert LEAVE[node.start_char_idx : node.end_char_idx] == node.text
    assert node.metadata["year"] == 2026
    assert response.metadata["answered"] is True
    assert response.metadata["usage"]["calls"] > 0
    assert "25 days" in response.get_formatted_sources()


def test_where_nothing_answers_the_response_is_empty_as_in_llamaindex():
    team = Coordinator(world.model(), memory="memory://")
    response = ExtAgentsQueryEngine(world.corpus(steps=()), coordinator=team).query(world.QUESTION)
    assert str(response) == "Empty Response"
    assert response.source_nodes == []
    assert response.metadata["answered"] is False


def test_a_schema_gives_a_pydantic_response():
    class Place(BaseModel):
        town: str

    team = Coordinator(world.model(fusion=lambda prompt: _filled(prompt)), memory="memory://")
    response = ExtAgentsQueryEngine(world.corpus(), coordinator=team, schema=Place).query(world.QUESTION)
    assert response.response == Place(town=world.ANSWER)
    assert response.town == world.ANSWER


def _filled(prompt: Any) -> Any:
    if "data" in prompt.output.model_fields:
        return prompt.output(answerable=True, answer=world.ANSWER, confidence=0.9, facts=[1], data={"town": world.ANSWER})
    return world.write(prompt)


@pytest.mark.parametrize("mode", ["read", "search"])
async def test_nodes_stand_in_their_documents(mode):
    texts = {"leave": LEAVE, "travel": TRAVEL}
    retriever = ExtAgentsRetriever(given(), mode=mode)
    for found in (retriever.retrieve(OFFICE_QUESTION), await retriever.aretrieve(OFFICE_QUESTION)):
        assert found[0].node.ref_doc_id == "travel"
        assert found == sorted(found, key=lambda one: -one.score)
        for one in found:
            node = one.node
            assert texts[node.ref_doc_id][node.start_char_idx : node.end_char_idx] == node.text
            assert "run_id" not in node.get_content(MetadataMode.LLM)


def test_a_retriever_in_llamaindexs_own_query_engine(handbook):
    from llama_index.core.llms import MockLLM
    from llama_index.core.response_synthesizers import get_response_synthesizer

    synthesizer = get_response_synthesizer(llm=MockLLM(), response_mode="compact")
    engine = RetrieverQueryEngine(
        retriever=ExtAgentsRetriever("handbook/", similarity_top_k=1),
        response_synthesizer=synthesizer,
        node_postprocessors=[ExtAgentsNodePostprocessor(tokens=40, granularity="sentence")],
    )
    response = engine.query(OFFICE_QUESTION)
    assert "finance office in Oskerby" in str(response)
    assert len(response.source_nodes) == 1


async def test_postprocessed_nodes_keep_source_score_and_offsets():
    before = 700
    chunk = TextNode(
        text=TRAVEL,
        id_="chunk",
        start_char_idx=before,
        metadata={"chapter": 3},
        excluded_llm_metadata_keys=["chapter"],
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="book")},
    )
    processor = ExtAgentsNodePostprocessor(tokens=30, granularity="sentence")
    nodes = [NodeWithScore(node=chunk, score=0.25)]
    blocking = processor.postprocess_nodes(nodes, query_str=OFFICE_QUESTION)
    assert blocking
    for kept in (blocking, await processor.apostprocess_nodes(nodes, query_str=OFFICE_QUESTION)):
        node = kept[0].node
        assert kept[0].score == 0.25
        assert node.ref_doc_id == "book"
        assert node.metadata["chapter"] == 3
        assert "chapter" in node.excluded_llm_metadata_keys
        assert TRAVEL[node.start_char_idx - before : node.end_char_idx - before] == node.text
    assert processor.postprocess_nodes([], query_str="Who?") == []


def test_documents_become_ours_with_id_title_and_metadata():
    made = documents_from([Document(text="Words.", id_="7", metadata={"file_name": "words.txt"}), *given()])
    assert [(one.id, one.title, one.text) for one in made] == [
        ("7", "words.txt", "Words."),
        ("leave", "", LEAVE),
        ("travel", "", TRAVEL),
    ]
    with pytest.raises(InputError, match="Cannot read"):
        documents_from([7])


async def test_errors_are_llamaindexs_and_ours():
    with pytest.raises(ValueError, match="No such file") as caught:
        ExtAgentsQueryEngine("nowhere/").query("Who?")
    assert isinstance(caught.value, InputError)
    with pytest.raises(ValueError, match="none is given"):
        ExtAgentsNodePostprocessor().postprocess_nodes([NodeWithScore(node=TextNode(text="x"))])
    with pytest.raises(ValueError, match="mode"):
        ExtAgentsRetriever("x", mode="guess")

    def refuse(prompt: Any) -> Exception:
        return CallError("auth", "no such key")

    engine = ExtAgentsQueryEngine(world.corpus(), model=world.model(planner=refuse, reader=refuse, single=refuse))
    with pytest.raises(RuntimeError, match="no such key") as failed:
        await engine.aquery(world.QUESTION)
    assert isinstance(failed.value, ModelError)


@pytest.mark.parametrize("mode", ["read", "search"])
@pytest.mark.parametrize(
    "wanted", [{"similarity_top_k": 0}, {"similarity_top_k": -1}, {"similarity_top_k": "x"}, {"tokens": "x"}]
)
def test_a_number_that_a_retriever_cannot_give_is_a_value_error_of_ours(mode, wanted):
    with pytest.raises(ValueError, match=f"no {next(iter(wanted))} of") as caught:
        ExtAgentsRetriever(world.corpus(4), mode=mode, **wanted)
    assert isinstance(caught.value, InputError)


def test_llamaindexs_instrumentation_sees_queries_and_retrievals(handbook):
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler

    class Hearing(BaseEventHandler):
        heard: list[str] = Field(default_factory=list)

        @classmethod
        def class_name(cls) -> str:
            return "Hearing"

        def handle(self, event: Any, **_: Any) -> None:
            self.heard.append(type(event).__name__)

    hearing, root = Hearing(), get_dispatcher()
    root.add_event_handler(hearing)
    try:
        ExtAgentsQueryEngine("handbook/").query(LEAVE_QUESTION)
        ExtAgentsRetriever("handbook/", mode="search").retrieve(OFFICE_QUESTION)
    finally:
        root.event_handlers.remove(hearing)
    assert {"QueryStartEvent", "QueryEndEvent", "RetrievalStartEvent", "RetrievalEndEvent"} <= set(hearing.heard)


@pytest.mark.parametrize(
    ("gone", "code", "extra"),
    [
        ("llama_index", "import extagents.integrations.llamaindex", "llamaindex"),
        ("opentelemetry", "from extagents.integrations import tracing; tracing.instrument()", "otel"),
    ],
)
def test_a_missing_extra_is_said_with_the_command_that_installs_it(gone, code, extra):
    script = f"import sys; sys.modules[{gone!r}] = None; sys.modules['{gone}.core'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"SettingsError: {'LlamaIndex' if extra == 'llamaindex' else 'OpenTelemetry'} is not installed." in done.stderr
    assert f'pip install "extagents[{extra}]"' in done.stderr
