"""Trains the token encoding that ships with the package: a byte-level BPE for English, code and Chinese.

    python -m venv /tmp/train && /tmp/train/bin/pip install tokenizers symspellpy jieba django
    /tmp/train/bin/python scripts/train_encoding.py extagents/corpus/encoding/default.bpe.gz

Sources, all of them found in the running interpreter's own library and packages: the Python standard library (code,
documentation strings, language reference), the
dictionaries of symspellpy (English) and jieba (Chinese), their words repeated by how often they occur, and the
Chinese translation of Django. Their licences are in the README beside the encoding. Takes about a minute.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import random
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

MERGES = 32_000
ENGLISH_WORDS = 3_000_000
CHINESE_WORDS = 400_000
# As in the encodings of current models: a word with its blank, up to three digits, a run of signs, white space.
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CATALOGUE_STRING = re.compile(r'^(?:msgid|msgstr(?:\[\d\])?)? ?"(.*)"$', re.MULTILINE)


def english_and_code() -> Iterator[str]:
    """Every module of the standard library once, and its documentation strings three times more: prose is scarce in code."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if {"site-packages", "test", "tests", "idlelib", "encodings", "lib2to3"} & set(
            path.parts
        ) and "topics" not in path.name:
            continue
        source = path.read_text(encoding="utf-8", errors="ignore")
        yield source
        if path.name == "topics.py":
            yield from (source.replace("\\n", "\n") for _ in range(3))
        yield from docstrings(source)


def docstrings(source: str) -> Iterator[str]:
    """The documentation strings of a module, three times each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield from (text for _ in range(3))


def clauses(dictionary: Path, count: int) -> Iterator[list[str]]:
    """Clauses of `count` words in all, drawn from a dictionary (`word frequency …` lines) by their frequency."""
    entries = [line.split() for line in dictionary.read_text(encoding="utf-8-sig").splitlines()]
    draw = random.Random(0)
    drawn = draw.choices([entry[0] for entry in entries], [int(entry[1]) for entry in entries], k=count)
    place = 0
    while place < count:
        size = draw.randint(3, 12)
        yield drawn[place : place + size]
        place += size


def english(packages: Path, words: int) -> Iterator[str]:
    """General English, which code and its documentation lack; one word in five with a capital, as names have."""
    draw = random.Random(1)
    for clause in clauses(packages / "symspellpy" / "frequency_dictionary_en_82_765.txt", words):
        yield " ".join(word.capitalize() if draw.random() < 0.2 else word for word in ["", *clause]) + draw.choice(",,.;")


def chinese(packages: Path, words: int) -> Iterator[str]:
    """Words of jieba's dictionary, and Django's translations."""
    draw = random.Random(2)
    for clause in clauses(packages / "jieba" / "dict.txt", words):
        yield "".join(clause) + draw.choice("，，。、；：")
    for path in sorted(packages.glob("django/**/locale/zh_Han*/**/*.po")):
        catalogue = path.read_text(encoding="utf-8")
        yield from (match.group(1).replace('\\"', '"') for match in _CATALOGUE_STRING.finditer(catalogue))


def train(texts: list[str]) -> list[bytes]:
    """The tokens in the order in which they were merged, the 256 bytes first."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=MERGES + 256, initial_alphabet=alphabet, max_token_length=32, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    byte_of = byte_alphabet()
    ranked = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    tokens = [bytes(byte_of[char] for char in token) for token, _ in ranked]
    singles = [bytes([value]) for value in range(256)]
    return singles + [token for token in tokens if len(token) > 1]


def byte_alphabet() -> dict[str, int]:
    """The letters in which byte-level BPE writes bytes: printable Latin-1 as itself, the others from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [value for value in range(256) if value not in printable]
    letters = {chr(value): value for value in printable}
    letters.update({chr(256 + place): value for place, value in enumerate(others)})
    return letters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--packages", type=Path, default=Path(sysconfig.get_path("purelib")), help="where jieba and django are")
    arguments = parser.parse_args()
    texts = list(english_and_code())
    texts += english(arguments.packages, ENGLISH_WORDS)
    texts += chinese(arguments.packages, CHINESE_WORDS)
    tokens = train(texts)
    # A byte of length and the token's bytes, in rank order: smaller than base64 and read without parsing numbers.
    packed = b"".join(bytes([len(token)]) + token for token in tokens)
    arguments.out.write_bytes(gzip.compress(packed, 9, mtime=0))
    print(f"{len(tokens)} tokens from {sum(len(text) for text in texts):,} characters, {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
