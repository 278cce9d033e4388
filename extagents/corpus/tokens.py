"""How many tokens a text has: exactly in a model's encoding where it is at hand, else in the encoding shipped here."""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

# As in the encodings of current models: a word with its blank, up to three digits, a run of signs, white space.
_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Where tiktoken finds its encodings; it keeps a fetched file under the SHA-1 of its address.
_ADDRESS = "https://openaipublic.blob.core.windows.net/{folder}/{name}.tiktoken"
_FOLDERS = {"r50k_base": "encodings", "p50k_base": "encodings", "cl100k_base": "encodings", "o200k_base": "encodings"}
_SAME_FILE = {"p50k_edit": "p50k_base", "o200k_harmony": "o200k_base"}

_BLOCK = 100_000
_SAMPLE = 384
_STRIDE = 6_144
_SHORT = 512


class TokenCounter:
    """Counts tokens in the encoding of that name (tiktoken's), if it lies on this machine; else in the shipped one.

    `exact` says whether the model's own encoding is used. Nothing is ever fetched over the network. Safe to share between
    threads; the encoding is loaded at the first count (about 30 ms).
    """

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding if encoding and _at_hand(encoding) else "extagents"
        self.exact = self.encoding != "extagents"

    def count(self, text: str) -> int:
        """Tokens of the text. Texts over 100,000 characters are counted in blocks, a few tokens too many at the joints."""
        encode = _encoding(self.encoding).encode_ordinary
        if len(text) <= _BLOCK:
            return len(encode(text))
        return sum(len(encode(text[start : start + _BLOCK])) for start in range(0, len(text), _BLOCK))

    def estimate(self, text: str) -> int:
        """Tokens of the text from samples spread over it (a sixteenth of a long text), within a few percent."""
        size = len(text)
        if size <= _SHORT:
            return self.count(text)
        samples = [text[start : start + _SAMPLE] for start in range(0, size, max(_STRIDE, size // 4_096))]
        seen = sum(len(sample) for sample in samples)
        return max(1, round(self.count("".join(samples)) * size / seen))

    def upper_bound(self, text: str) -> int:
        """What the text can cost at most: its count where that is exact, else its UTF-8 bytes (no token is less than one)."""
        return self.count(text) if self.exact else len(text.encode("utf-8", "surrogatepass"))

    def cut(self, text: str, tokens: int) -> str:
        """The longest beginning of the text, to a few characters, that counts at most `tokens` tokens."""
        if tokens <= 0:
            return ""
        # No encoding of use spends less than a token on 40 characters of running text; more is cut off before counting.
        head = text[: tokens * 40]
        size = len(head)
        while size and (count := self.count(head[:size])) > tokens:
            size = min(size - 1, int(size * tokens / count))
        return head[:size]

    def __repr__(self) -> str:
        return f"TokenCounter({self.encoding!r}, exact={self.exact})"


@lru_cache(maxsize=8)
def _encoding(name: str) -> tiktoken.Encoding:
    import tiktoken

    if name != "extagents":
        return tiktoken.get_encoding(name)
    packed = gzip.decompress(importlib.resources.files(__package__).joinpath("encoding", "default.bpe.gz").read_bytes())
    ranks: dict[bytes, int] = {}
    place = 0
    while place < len(packed):
        end = place + 1 + packed[place]
        ranks[packed[place + 1 : end]] = len(ranks)
        place = end
    return tiktoken.Encoding("extagents", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={})


@lru_cache(maxsize=32)
def _at_hand(name: str) -> bool:
    """Whether tiktoken has this encoding on disk, or a plug-in brings it: asking tiktoken itself might go to the network."""
    import tiktoken

    name = _SAME_FILE.get(name, name)
    if name in ("gpt2", *_FOLDERS):
        if name == "gpt2":
            return False
        folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR")
        cache = Path(folder) if folder else Path(tempfile.gettempdir()) / "data-gym-cache"
        address = _ADDRESS.format(folder=_FOLDERS[name], name=name)
        return (cache / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()).is_file()
    return name in tiktoken.list_encoding_names()
