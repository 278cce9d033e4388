"""LangChain and LangGraph: a Runnable, a retriever, a document compressor, a tool, and a node.

>>> from extagents.integrations.langchain import ExtAgentsRunnable
>>> chain = ExtAgentsRunnable(over="handbook/") | (lambda answer: answer.text)
>>> chain.invoke("How many days of leave does a new employee have?")

`Coordinator.graph()` is the whole graph, to stand in a user's own as it is; `as_node` has it with the user's own keys.
"""

from extagents.integrations.langchain.errors import as_langchain
from extagents.integrations.langchain.node import as_node
from extagents.integrations.langchain.retriever import ExtAgentsCompressor, ExtAgentsRetriever
from extagents.integrations.langchain.runnable import ExtAgentsRunnable, Question
from extagents.integrations.langchain.tool import ExtAgentsTool, extagents_tool
from extagents.integrations.sources import documents_from

__all__ = [
    "ExtAgentsCompressor",
    "ExtAgentsRetriever",
    "ExtAgentsRunnable",
    "ExtAgentsTool",
    "Question",
    "as_langchain",
    "as_node",
    "documents_from",
    "extagents_tool",
]
