"""BM25 over passages (bm25s), as a sparse matrix of the weight that each term has in each passage."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

K1 = 1.2
B = 0.75


@dataclass(frozen=True)
class Postings:
    """Weights in CSC form: those of term i are `data[at[i]:at[i+1]]`, for the passages `rows[at[i]:at[i+1]]`."""

    data: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int32]
    at: npt.NDArray[np.int64]

    def frequency(self, term: int) -> int:
        """In how many passages a term occurs."""
        return int(self.at[term + 1] - self.at[term])

    def column(self, term: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Passages that hold a term, and the term's weight in each."""
        span = slice(self.at[term], self.at[term + 1])
        return self.rows[span], self.data[span]


def build_postings(tokens: npt.NDArray[np.int32], pointers: npt.NDArray[np.int64], terms: int) -> Postings:
    """BM25 (Lucene's variant) of term ids; passage i holds `tokens[pointers[i]:pointers[i+1]]`."""
    import bm25s

    if not len(tokens):
        return Postings(np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(terms + 1, np.int64))
    engine = bm25s.BM25(k1=K1, b=B, method="lucene", csc_backend="numpy")
    ids = [tokens[start:end] for start, end in pairwise(pointers)]
    vocabulary = {str(i): i for i in range(terms)}
    engine.index((ids, vocabulary), create_empty_token=False, show_progress=False)
    scores = engine.scores
    return Postings(
        np.asarray(scores["data"], np.float32), np.asarray(scores["indices"], np.int32), np.asarray(scores["indptr"], np.int64)
    )
