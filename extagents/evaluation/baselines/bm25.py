"""BM25 top-k: the passages that share most rare words with the question, best first, and one call over them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from extagents.agents.calls import Desk
from extagents.corpus.corpus import Corpus
from extagents.evaluation.baselines.loop import NO_ANSWER, SPARE, Caller, Outcome, bare, fitting, tokens
from extagents.types import Document

TOP = 20  # passages of about 1,000 characters

PROMPT = """<passages>
{passages}
</passages>

Question: {question}
Answer from the passages, with a few words and nothing else. If they do not tell, reply "{none}".
Answer:"""


async def bm25(question: str, documents: Sequence[Document], desk: Desk) -> Outcome:
    """Retrieves once by BM25 alone (stemmed; no graph of mentions) and answers once."""
    caller = Caller(desk, "bm25")
    found = await asyncio.to_thread(passages, question, documents)
    shown = fitting(found, desk.window - desk.output_tokens - tokens(question) - SPARE)
    prompt = PROMPT.format(passages="\n\n".join(shown), question=question, none=NO_ANSWER)
    return Outcome(answer=bare(await caller.write("single", prompt)), rounds=1, failed=caller.failed)


def passages(question: str, documents: Sequence[Document], top: int = TOP) -> list[str]:
    """The best passages, each under its document's header."""
    corpus = Corpus.load(list(documents))
    shown = []
    for passage, _ in corpus.index.search(question, top, method="bm25"):
        position, start, end = (int(value) for value in corpus.index.spans[passage])
        document = corpus.documents[position]
        shown.append(f"[Document {document.id}: {document.title}]\n{document.text[start:end]}")
    return shown
