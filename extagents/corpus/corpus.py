"""Corpus: documents with their shards, their index and their counts, worked out once and kept."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extagents.corpus import loaders
from extagents.corpus.building import read_files
from extagents.corpus.cache import Cache, default_folder
from extagents.corpus.formats import sound, title_of
from extagents.corpus.shards import GROWING, Counts, pack, pack_ranked
from extagents.corpus.tables import Table, head_at, tables
from extagents.corpus.tokens import TokenCounter
from extagents.errors import InputError
from extagents.types import Document, Hit, Piece, Section, Shard, ShardText, Unreadable

if TYPE_CHECKING:
    from extagents.corpus.index import Index
    from extagents.corpus.quotes import Located

_MOST_TITLE = 300  # characters
_REASONS_SHOWN = 3
_DOCUMENTS_SHOWN = 8
_RANKINGS_KEPT = 8
_COUNTS_KEPT = 500_000


class Corpus:
    """What is asked over: documents, what could not be read, and all that can be worked out from them.

    A value: `add`, `remove` and `where` give another corpus. Shards, index and counts are made when first asked for, once, and
    kept in the cache. Safe to share between threads.

    Attributes: `documents`; `unreadable` with reasons; `notices` in words; `kinds`, how many documents came out of which kind
    of file ("pdf", "docx", "given" for those that were no files), where it was loaded.
    """

    def __init__(
        self,
        documents: Iterable[Document],
        *,
        unreadable: Sequence[Unreadable] = (),
        notices: Sequence[str] = (),
        encoding: str | None = None,
        cache: Cache | None = None,
    ) -> None:
        self.documents: tuple[Document, ...] = _identified(documents)
        self.unreadable: tuple[Unreadable, ...] = tuple(unreadable)
        self.notices: tuple[str, ...] = tuple(notices)
        self.kinds: Mapping[str, int] = {}
        self.counter = TokenCounter(encoding)
        self._encoding = encoding
        self._cache = cache
        self._lock = threading.RLock()
        self._shards: dict[int, list[Shard]] = {}
        self._ranked: dict[tuple[object, ...], list[Shard]] = {}
        self._counts: Counts | None = None
        self._tables: dict[int, list[Table]] = {}
        self._index: Index | None = None
        # The index of a corpus whose documents are the first of these: it grows instead of being built again.
        self._smaller: tuple[Index, int] | None = None

    @classmethod
    def load(
        cls,
        over: Any,
        *,
        cache: Path | bool | None = None,
        text_field: str | None = None,
        title_field: str | None = None,
        encoding: str | None = None,
        workers: int | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Corpus:
        """A corpus over a path (a `str` is always one and must exist), documents, several of these, or a corpus (as it is).

        `cache` is a folder, None for the user's, False for none. `text_field` and `title_field` name fields of records (JSON,
        CSV, Parquet). `encoding` is the tiktoken name of the model's encoding. PDFs, office files, books, mail and archives
        are read by `workers` processes (one a core if None; 0 for none). `on_progress(done, all)` counts files. What cannot be
        read is in `unreadable`; raises InputError where nothing can.
        """
        if isinstance(over, Corpus):
            return over
        store = None if cache is False else Cache(cache if isinstance(cache, Path) else default_folder())
        notices: list[str] = []
        if store is not None and (trouble := store.trouble()):
            notices.append(f"The corpus cache cannot be written ({trouble}); indexing again next time.")
            store = None
        paths, documents = _sorted_out(over)
        loaded = read_files(
            paths, store, text_field=text_field, title_field=title_field, workers=workers, on_progress=on_progress
        )
        read, said = loaders.documents(loaded.files)
        corpus = cls(
            [*read, *documents],
            unreadable=loaded.unreadable,
            notices=[*notices, *loaded.notices, *said],
            encoding=encoding,
            cache=store,
        )
        corpus.kinds = {**loaders.kinds(loaded.files), **({"given": len(documents)} if documents else {})}
        if not any(document.text.strip() for document in corpus.documents):
            raise _nothing(paths, loaded.unreadable)
        return corpus

    # ------------------------------------------------------------------ what it holds

    @cached_property
    def by_id(self) -> Mapping[str, Document]:
        """Documents by their id."""
        return {document.id: document for document in self.documents}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all ids, titles and texts, in order."""
        digest = hashlib.blake2b(digest_size=16)
        for document in self.documents:
            for part in (document.id, document.title, document.text):
                data = part.encode("utf-8", "surrogatepass")
                digest.update(len(data).to_bytes(8, "big"))
                digest.update(data)
        return digest.hexdigest()

    @cached_property
    def tokens(self) -> int:
        """Tokens of all texts, an estimate within a few percent."""
        name = f"tokens-{self.counter.encoding}"
        known = self._cache.read(self.fingerprint, name) if self._cache else None
        if isinstance(known, int):
            return known
        tokens = sum(self.counter.estimate(document.text) for document in self.documents)
        if self._cache:
            self._cache.keep(self.fingerprint, name, tokens)
        return tokens

    @property
    def index(self) -> Index:
        """The index of all passages; built or read from the cache when first asked for."""
        with self._lock:
            if self._index is None:
                self._index = self._load_index() or self._build_index()
            return self._index

    def _load_index(self) -> Index | None:
        from extagents.corpus.index import Index

        folder = self._cache.index(self.fingerprint) if self._cache else None
        if folder is None:
            return None
        try:
            index = Index.load(folder)
        except (OSError, ValueError, KeyError, EOFError):
            return None
        return index if index.documents == len(self.documents) else None

    def _build_index(self) -> Index:
        from extagents.corpus.index import Index

        if self._smaller is not None:
            index = self._smaller[0].add(self.documents[self._smaller[1] :])
        else:
            index = Index.build(self.documents)
        if self._cache:
            self._cache.keep_index(self.fingerprint, index.save)
        return index

    def __len__(self) -> int:
        return len(self.documents)

    def __iter__(self) -> Iterator[Document]:
        return iter(self.documents)

    def __repr__(self) -> str:
        characters = sum(len(document.text) for document in self.documents)
        missing = f", {len(self.unreadable)} unreadable" if self.unreadable else ""
        return f"Corpus({len(self.documents)} documents, {characters:,} characters{missing})"

    def _repr_html_(self) -> str:
        from extagents.display import corpus_card

        size = min(self._shards, default=None)  # shards are shown where they are formed already: that is no work for a glance
        return corpus_card(
            [(document.id, document.title, len(document.text)) for document in self.documents[:_DOCUMENTS_SHOWN]],
            total=len(self.documents),
            tokens_=self.tokens,
            shards=None if size is None else (len(self._shards[size]), size),
            unreadable=self.unreadable,
            told=self.notices,
        )

    # ------------------------------------------------------------------ reading it

    def search(self, query: str, *, k: int = 10) -> list[Hit]:
        """The `k` passages that fit a query best, best first; no model is asked."""
        spans = self.index.spans
        hits = []
        for passage, score in self.index.search(query, k):
            position, start, end = (int(value) for value in spans[passage])
            document = self.documents[position]
            hits.append(
                Hit(
                    document=document.id,
                    title=document.title,
                    start=start,
                    end=end,
                    page=document.page_at(start),
                    text=document.text[start:end],
                    score=float(score),
                )
            )
        return hits

    def shards(self, shard_tokens: int) -> list[Shard]:
        """Shards of at most that many tokens, in corpus order."""
        with self._lock:
            if shard_tokens not in self._shards:
                self._shards[shard_tokens] = self._load_shards(shard_tokens)
            return self._shards[shard_tokens]

    def _load_shards(self, shard_tokens: int) -> list[Shard]:
        name = f"shards-{shard_tokens}-{self.counter.encoding}"
        if self._cache:
            known = _unpacked(self._cache.read(self.fingerprint, name))
            if known is not None:
                return known
        with self._remembered() as counts:
            shards = pack(self.documents, shard_tokens=shard_tokens, counter=self.counter, counts=counts)
        if self._cache:
            packed = [[shard.id, shard.tokens, [[p.document, p.start, p.end] for p in shard.pieces]] for shard in shards]
            self._cache.keep(self.fingerprint, name, packed)
        return shards

    def ranked_shards(self, queries: Sequence[str], *, sizes: Sequence[tuple[int | None, int]] = GROWING) -> list[Shard]:
        """Shards that grow down the index's ranking of the documents for these queries; `sizes` as in `pack_ranked`."""
        key = (tuple(queries), tuple(sizes))
        with self._lock:
            if key not in self._ranked:
                while len(self._ranked) >= _RANKINGS_KEPT:
                    del self._ranked[next(iter(self._ranked))]
                ranking = self.index.rank_documents(queries)
                with self._remembered() as counts:
                    shards = pack_ranked(self.documents, ranking, sizes=sizes, counter=self.counter, counts=counts)
                self._ranked[key] = shards
            return self._ranked[key]

    @contextmanager
    def _remembered(self) -> Iterator[Counts]:
        """The token counts known so far, kept with what is added to them: counting is most of the work of packing."""
        name = f"counts-{self.counter.encoding}"
        if self._counts is None:
            known = self._cache.read(self.fingerprint, name) if self._cache else None
            self._counts = _counts(known) if isinstance(known, list) else {}
        before = len(self._counts)
        yield self._counts
        if self._cache and before < len(self._counts) <= _COUNTS_KEPT:
            self._cache.keep(self.fingerprint, name, [[*span, tokens] for span, tokens in self._counts.items()])

    def shard_text(self, shard: Shard) -> ShardText:
        """A shard with the text of its pieces."""
        sections = []
        shown: set[tuple[int, int]] = set()
        for piece in shard.pieces:
            document = self.documents[piece.document]
            head = head_at(self._tables_of(piece.document), piece.start) if piece.start else None
            # Pieces of one table that stand side by side need its header once.
            if head is not None and (piece.document, head[0]) in shown:
                head = None
            shown.add((piece.document, head[0] if head is not None else piece.start))
            sections.append(
                Section(
                    document=document.id,
                    title=document.title,
                    text=document.text[piece.start : piece.end],
                    start=piece.start,
                    end=piece.end,
                    page=document.page_at(piece.start),
                    head=document.text[slice(*head)] if head is not None else "",
                    head_start=head[0] if head is not None else 0,
                )
            )
        return ShardText(id=shard.id, sections=tuple(sections))

    def _tables_of(self, position: int) -> list[Table]:
        found = self._tables.get(position)
        if found is None:
            found = self._tables[position] = tables(self.documents[position])
        return found

    def locate(self, quote: str, shard: Shard | ShardText) -> Located | None:
        """Where a quote stands in a shard, with its page; None if it is not there."""
        from extagents.corpus.quotes import locate

        found = locate(quote, self.shard_text(shard) if isinstance(shard, Shard) else shard)
        if found is None:
            return None
        document = self.by_id.get(found.document)
        return found.model_copy(update={"page": document.page_at(found.start)}) if document else found

    # ------------------------------------------------------------------ others made of it

    def add(self, documents: Iterable[Document]) -> Corpus:
        """A corpus with these documents after those of this one; an index that is there already grows."""
        corpus = self._with([*self.documents, *documents])
        if self._index is not None:
            corpus._smaller = (self._index, len(self.documents))
        return corpus

    def remove(self, ids: Iterable[str]) -> Corpus:
        """A corpus without the documents of these ids."""
        gone = frozenset((ids,) if isinstance(ids, str) else ids)
        return self._with(document for document in self.documents if document.id not in gone)

    def where(self, fits: Callable[[Mapping[str, Any]], bool]) -> Corpus:
        """A corpus of the documents whose metadata fit."""
        return self._with(document for document in self.documents if fits(document.metadata))

    def _with(self, documents: Iterable[Document]) -> Corpus:
        return Corpus(documents, unreadable=self.unreadable, notices=self.notices, encoding=self._encoding, cache=self._cache)


def _identified(documents: Iterable[Document]) -> tuple[Document, ...]:
    """The documents with an id each has alone (its number where it has none) and a title."""
    taken: set[str] = set()
    identified = []
    for number, document in enumerate(documents, 1):
        identity = sound(document.id) or str(number)
        if identity in taken:
            identity = next(other for n in range(2, len(taken) + 3) if (other := f"{identity}#{n}") not in taken)
        taken.add(identity)
        text = sound(document.text)
        # On one line and of a title's length, whoever wrote it: it stands in prompts outside the text.
        title = " ".join(sound(document.title).split())[:_MOST_TITLE] or title_of(text, identity)
        if (identity, title, text) != (document.id, document.title, document.text):
            document = document.model_copy(update={"id": identity, "title": title, "text": text})
        identified.append(document)
    return tuple(identified)


def _sorted_out(over: Any) -> tuple[list[Path], list[Document]]:
    """The paths and the documents in what was given; every path exists."""
    items = [over] if isinstance(over, str | os.PathLike | Document) else over
    if isinstance(items, bytes) or not isinstance(items, Iterable):
        raise InputError(f"Cannot read from a {type(over).__name__}.", hint="Give a path, several paths, or documents.")
    paths: list[Path] = []
    documents: list[Document] = []
    for item in items:
        if isinstance(item, Document):
            documents.append(item)
        elif isinstance(item, Corpus):
            documents.extend(item.documents)
        elif isinstance(item, str | os.PathLike):
            paths.append(_existing(item))
        else:
            raise InputError(f"Cannot read from a {type(item).__name__}.", hint="Give paths or Document(text=…) values.")
    if not paths and not documents:
        raise InputError("There is nothing to read.", hint="Give a file, a folder, or documents.")
    return paths, documents


def _existing(item: str | os.PathLike[str]) -> Path:
    name = os.fspath(item)
    shown = name if len(name) <= 200 else name[:200] + "…"
    try:
        path = Path(name).expanduser()
        if name and path.exists():
            return path
    except (OSError, ValueError, RuntimeError):
        # A name that is too long or holds a NUL is no path of any file.
        pass
    hint = "Check the path; a text itself is given as Document(text=…)."
    raise InputError(f"No such file or folder: {shown!r}.", hint=hint)


def _nothing(paths: Sequence[Path], unreadable: Sequence[Unreadable]) -> InputError:
    where = ", ".join(str(path) for path in paths[:_REASONS_SHOWN]) or "the documents"
    if not unreadable:
        return InputError(f"There is no text in {where}.", hint="Give files or folders that hold text.")
    reasons = "; ".join(f"{item.path}: {item.reason}" for item in unreadable[:_REASONS_SHOWN])
    more = f"; and {len(unreadable) - _REASONS_SHOWN} more" if len(unreadable) > _REASONS_SHOWN else ""
    return InputError(
        f"Nothing readable in {where} ({reasons}{more}).", hint="Give text, HTML, JSON, CSV, code, PDF, office files or mail."
    )


def _counts(packed: list[Any]) -> Counts:
    """Token counts from the cache; none if they are not what was written."""
    try:
        return {(document, start, end): tokens for document, start, end, tokens in packed}
    except (TypeError, ValueError):
        return {}


def _unpacked(packed: Any) -> list[Shard] | None:
    """Shards from the cache; None if they are not what was written."""
    if not isinstance(packed, list):
        return None
    try:
        return [
            Shard(
                id=name,
                position=position,
                pieces=tuple(Piece(document=document, start=start, end=end) for document, start, end in pieces),
                tokens=tokens,
            )
            for position, (name, tokens, pieces) in enumerate(packed)
        ]
    except (TypeError, ValueError):
        return None
