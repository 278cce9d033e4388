"""LangChain's own standard tests, for what they cover here: the tool and the retriever in both modes."""

from __future__ import annotations

from typing import Any

import world
from langchain_tests.integration_tests import RetrieversIntegrationTests, ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from extagents import Coordinator, Corpus, Document
from extagents.integrations.langchain import ExtAgentsRetriever, ExtAgentsTool

QUESTION = "Which birds nest on the island of Skellan?"


def birds() -> Corpus:
    names = ("gannets", "puffins", "fulmars", "petrels", "terns", "guillemots")
    texts = (f"# Bird {name}\n\nOn the island of Skellan nest {name}, in great numbers every year." for name in names)
    return Corpus.load([Document(text=text, id=f"bird-{number}") for number, text in enumerate(texts)])


class _Tool:
    @property
    def tool_constructor(self) -> type[ExtAgentsTool]:
        return ExtAgentsTool

    @property
    def tool_constructor_params(self) -> dict[str, Any]:
        return {"over": world.corpus(8), "coordinator": Coordinator(world.model(), memory="memory://")}

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"question": world.QUESTION}


class TestToolsForm(_Tool, ToolsUnitTests):
    """Name, schema, construction."""


class TestToolsWork(_Tool, ToolsIntegrationTests):
    """It answers, blocking and awaited, called by a model and by itself."""


class _Retriever(RetrieversIntegrationTests):
    mode = "read"

    @property
    def retriever_constructor(self) -> type[ExtAgentsRetriever]:
        return ExtAgentsRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"over": birds(), "mode": self.mode}

    @property
    def retriever_query_example(self) -> str:
        return QUESTION


class TestReading(_Retriever):
    """Readers find the evidence."""


class TestSearching(_Retriever):
    """The index finds it."""

    mode = "search"
