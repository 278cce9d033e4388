"""How results look in a notebook: answers with citations that open their context, what was read, what it cost; and runs, live.

Jupyter asks `Answer`, `Table`, `Compressed`, `Estimate`, `Corpus` and `RunRecord` for their HTML by itself. Everything that
comes from a document, a model or a user is escaped: documents may be hostile. No script, no image, nothing from another host.
"""

from extagents.display.cards import answer_card, answers, compressed_card, corpus_card, estimate_card, run_card
from extagents.display.tables import table_card
from extagents.display.watching import Timeline, awatch, watch

__all__ = [
    "Timeline",
    "answer_card",
    "answers",
    "awatch",
    "compressed_card",
    "corpus_card",
    "estimate_card",
    "run_card",
    "table_card",
    "watch",
]
