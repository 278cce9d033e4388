"""The index: BM25 over passages and a graph of mentions, with no model and no embedding.

It orders the first reading, gates re-reading, answers `extagents search`, and tells the extractive model how rare a term is.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from extagents.corpus import names as nm
from extagents.corpus import terms as t
from extagents.corpus.passages import passage_spans
from extagents.corpus.postings import Postings, build_postings
from extagents.corpus.ranking import Layout, Ranking, Weights
from extagents.private import make_folder
from extagents.types import Document

FORMAT = 2
"""Version of the stored layout; an index of another version is built anew."""

Method = Literal["full", "bm25"]


class Index:
    """Passages of a corpus, ranked for a query. Made by `build` or `load`; `add` gives a larger one and leaves this as it is.

    `spans` has a row `(document position, start, end)` for every passage, in characters; the passages of a document are
    exactly the document. Scores lie in 0 … about 1 and are 0 where nothing of the query is found.
    """

    def __init__(self, arrays: dict[str, npt.NDArray[Any]], lexicon: t.Lexicon | Path, vocabulary: dict[str, int]) -> None:
        self._arrays = arrays
        self._lexicon = lexicon
        self._vocabulary = vocabulary
        self.spans: npt.NDArray[np.int64] = arrays["spans"]
        self.postings = Postings(arrays["weights"], arrays["rows"], arrays["columns_at"])
        self.weights = Weights()
        self.mentions = nm.Mentions(**{field: arrays[field] for field in nm.Mentions.__dataclass_fields__})

    # ------------------------------------------------------------------ making

    @classmethod
    def build(cls, documents: Sequence[Document]) -> Index:
        """Indexes documents; takes about 0.25 s a million characters on one core."""
        return _grow({}, t.Lexicon(), documents)

    def add(self, documents: Sequence[Document]) -> Index:
        """An index of the old documents and then these, the same as one built of all of them.

        The old text is not read again: its words are kept, and only the statistics are worked out anew.
        """
        return _grow(self._arrays, t.Lexicon(self._words()), documents)

    def save(self, folder: Path) -> None:
        """Writes the index into a folder (`.npy` and JSON, no pickle)."""
        make_folder(folder)
        for name, array in self._arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        (folder / "lexicon.json").write_text(json.dumps(list(self._words()), ensure_ascii=False), "utf-8", "surrogatepass")
        (folder / "vocabulary.json").write_text(
            json.dumps(list(self._vocabulary), ensure_ascii=False), "utf-8", "surrogatepass"
        )
        (folder / "index.json").write_text(json.dumps({"format": FORMAT, "arrays": sorted(self._arrays)}), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Index:
        """Opens a saved index; arrays are mapped, not read. Raises FileNotFoundError, or ValueError for another format."""
        about = json.loads((folder / "index.json").read_text("utf-8"))
        if about["format"] != FORMAT:
            raise ValueError(f"index format {about['format']}, this version reads {FORMAT}")
        arrays = {name: _open(folder / f"{name}.npy") for name in about["arrays"]}
        terms = json.loads((folder / "vocabulary.json").read_bytes().decode("utf-8", "surrogatepass"))
        return cls(arrays, folder / "lexicon.json", {term: i for i, term in enumerate(terms)})

    def _words(self) -> t.Lexicon:
        """The distinct surface forms; those of a loaded index are only read when it grows or is saved."""
        if isinstance(self._lexicon, Path):
            words = json.loads(self._lexicon.read_bytes().decode("utf-8", "surrogatepass"))
            self._lexicon = t.Lexicon(zip(words, range(len(words)), strict=True))
        return self._lexicon

    # ------------------------------------------------------------------ statistics

    @property
    def passages(self) -> int:
        """Number of passages."""
        return len(self.spans)

    @cached_property
    def documents(self) -> int:
        """Number of documents, those without text included."""
        return len(self._arrays["titles_at"]) - 1

    def frequency(self, term: str) -> int:
        """In how many passages a normalised term occurs."""
        number = self._vocabulary.get(term)
        return 0 if number is None else self.postings.frequency(number)

    def terms(self, text: str) -> list[str]:
        """The normalised terms of a text in order, stop words left out: stems, and for Chinese characters and pairs."""
        return t.text_terms(text)

    # ------------------------------------------------------------------ names

    def names_in(self, text: str) -> list[str]:
        """Corpus-defined names that occur in the text, in order and as folded words, those within a longer one left out."""
        return list(dict.fromkeys(name for name, _, within in self._ranking.names_of(text) if not within))

    def passages_naming(self, name: str) -> npt.NDArray[np.int64]:
        """Positions of the passages that mention a name: first those of the document it is the title of, or that define it."""
        number = self.mentions.find(nm.phrase_key(name))
        if number < 0:
            return np.zeros(0, np.int64)
        own = np.flatnonzero(np.isin(self.spans[:, 0], self.mentions.owned(number)))
        own = np.union1d(own, self.mentions.at_home(number)).astype(np.int64)
        mentioning = self.mentions.mentioning(number).astype(np.int64)
        return np.concatenate((own, mentioning[~np.isin(mentioning, own)]))

    # ------------------------------------------------------------------ ranking

    def with_weights(self, weights: Weights) -> Index:
        """The same index, ranking by other constants: for measurements."""
        other = Index(self._arrays, self._lexicon, self._vocabulary)
        other.weights = weights
        return other

    def scores(self, queries: Sequence[str], *, method: Method = "full") -> npt.NDArray[np.float32]:
        """The score of every passage, 0 … 1, as high for the best one as BM25's best covers of the query, weighed by rarity.

        Of several queries each counts the same, and a passage has the best score that any gives it.
        """
        best, covered = np.zeros(self.passages, np.float32), 0.0
        if not self.passages:
            return best
        for query in dict.fromkeys(queries):
            score, share = self._ranking.full(query) if method == "full" else self._ranking.bm25(query)
            covered = max(covered, share)
            np.maximum(best, score, out=best)
        return best * np.float32(covered)

    def search(self, query: str, k: int = 10, *, method: Method = "full") -> list[tuple[int, float]]:
        """The k best passages with their scores, best first; passages without any score are left out.

        The best passage of every document comes before the second of any, so that k hits show as many documents as can be.
        """
        scores = self.scores([query], method=method)
        order = np.argsort(-scores, kind="stable")[: np.count_nonzero(scores > 0)]
        first: list[int] = []
        rest: list[int] = []
        seen: set[int] = set()
        for passage, document in zip(order.tolist(), self.spans[order, 0].tolist(), strict=True):
            (rest if document in seen else first).append(passage)
            seen.add(document)
            if len(first) == k:
                break
        return [(passage, float(scores[passage])) for passage in (first + rest)[:k]]

    def rank_documents(self, queries: Sequence[str], *, method: Method = "full") -> list[int]:
        """All documents, best first by their best passage; those that match nothing come last, in corpus order."""
        best = np.zeros(self.documents, np.float32)
        np.maximum.at(best, self.spans[:, 0], self.scores(queries, method=method))
        return [int(document) for document in np.argsort(-best, kind="stable")]

    @cached_property
    def _ranking(self) -> Ranking:
        arrays = self._arrays
        _, title = np.unique(arrays["title_hashes"], return_inverse=True)
        layout = Layout(
            spans=self.spans,
            documents=self.documents,
            title=title[self.spans[:, 0]],
            terms=arrays["word_terms"],
            sentences=arrays["word_sentences"],
            words_at=arrays["words_at"],
            uncased=arrays["uncased"],
        )
        return Ranking(layout, self.postings, self.mentions, self._vocabulary, self.weights)


def _open(path: Path) -> npt.NDArray[Any]:
    # An empty array cannot be mapped. The plain view spares the overhead that numpy.memmap has on every slice.
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r" if path.stat().st_size > 4096 else None, allow_pickle=False)
    return array.view(np.ndarray)


def _grow(old: dict[str, npt.NDArray[Any]], lexicon: t.Lexicon, documents: Sequence[Document]) -> Index:
    """Adds documents' words to the stream of the old ones, then works out postings and mentions for all of them."""
    before, shift = (len(old["titles_at"]) - 1, len(old["spans"])) if old else (0, 0)
    spans: list[tuple[int, int, int]] = []
    streams: list[npt.NDArray[np.int32]] = []
    titles: list[npt.NDArray[np.int32]] = []
    title_keys: list[tuple[int, int]] = []
    title_hashes: list[int] = []
    defined: list[tuple[int, int]] = []
    uncased: set[int] = set()
    for position, document in enumerate(documents, before):
        cuts = passage_spans(document.text)
        first = shift + len(spans)
        spans += [(position, start, end) for start, end in cuts]
        streams += [lexicon.encode(document.text[start:end]) for start, end in cuts]
        title = document.title or document.id
        titles.append(lexicon.encode(title))
        title_hashes.append(nm.phrase_key(title) or position + 1)
        called = nm.title_names(title, path=document.id)
        title_keys += [(key, position) for name in called if (key := nm.phrase_key(name))]
        inside = nm.defined_names(document.text)
        for offset, name in inside:
            if key := nm.phrase_key(name):
                at = -1 if offset is None else first + bisect_right(cuts, offset, key=itemgetter(0)) - 1
                defined.append((key, at))
        uncased |= {nm.phrase_key(name) for name in (*called, *(name for _, name in inside)) if nm.is_plain_word(name)}

    arrays: dict[str, npt.NDArray[Any]] = {
        "spans": _extend(old.get("spans"), np.array(spans, np.int64).reshape(-1, 3)),
        "stream": _extend(old.get("stream"), _joined(streams)),
        "stream_at": _extend_pointers(old.get("stream_at"), streams),
        "titles": _extend(old.get("titles"), _joined(titles)),
        "titles_at": _extend_pointers(old.get("titles_at"), titles),
        "title_keys": _extend(old.get("title_keys"), np.array([key for key, _ in title_keys], np.uint64)),
        "title_documents": _extend(old.get("title_documents"), np.array([document for _, document in title_keys], np.int32)),
        "title_hashes": _extend(old.get("title_hashes"), np.array(title_hashes, np.uint64)),
        "defined_keys": _extend(old.get("defined_keys"), np.array([key for key, _ in defined], np.uint64)),
        "defined_passages": _extend(old.get("defined_passages"), np.array([passage for _, passage in defined], np.int32)),
        "uncased": np.unique(_extend(old.get("uncased"), np.array(sorted(uncased), np.uint64))),
    }
    return _derive(arrays, lexicon)


def _derive(arrays: dict[str, npt.NDArray[Any]], lexicon: t.Lexicon) -> Index:
    surfaces = list(lexicon)
    flags = t.surface_flags(surfaces)
    spans, pointers = arrays["spans"], arrays["stream_at"]
    vocabulary, term_of, tokens, tokens_at = t.term_stream(
        surfaces,
        flags,
        arrays["stream"],
        pointers,
        titles=arrays["titles"],
        titles_at=arrays["titles_at"],
        documents=spans[:, 0],
    )
    postings = build_postings(tokens, tokens_at, len(vocabulary))
    words = nm.words_of(arrays["stream"], pointers, flags)
    mentions = nm.find_mentions(
        words,
        surfaces,
        flags,
        passages=len(spans),
        titles=(arrays["title_keys"], arrays["title_documents"]),
        defined=(arrays["defined_keys"], arrays["defined_passages"]),
        uncased=arrays["uncased"],
    )
    words_at = np.searchsorted(words.passage, np.arange(len(spans) + 1))
    arrays |= {
        "words_at": words_at,
        "word_terms": term_of[words.surface],
        "word_sentences": words.sentence,
    }
    arrays |= {"weights": postings.data, "rows": postings.rows, "columns_at": postings.at}
    arrays |= {field: getattr(mentions, field) for field in nm.Mentions.__dataclass_fields__}
    return Index(arrays, lexicon, vocabulary)


def _joined(parts: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def _extend(old: npt.NDArray[Any] | None, new: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return new if old is None else np.concatenate((old, new))


def _extend_pointers(old: npt.NDArray[Any] | None, parts: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[Any]:
    start = np.zeros(1, np.int64) if old is None else old
    sizes = np.fromiter(map(len, parts), np.int64, len(parts))
    return np.concatenate((start, start[-1] + np.cumsum(sizes)))
