"""Where sentences and paragraphs end, what is Chinese, and how text is folded to compare it: for every part, on no library.

Spans are `(start, end)` in characters, contiguous, and together exactly the text. All functions are linear in the text.
"""

from __future__ import annotations

import re
import unicodedata

Span = tuple[int, int]

_CJK = "\u3040-\u30ff\u3100-\u312f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\uff66-\uff9f\U00020000-\U000323af"
_CJK_RUN = re.compile(f"[{_CJK}]+")
_CJK_CHAR = re.compile(f"[{_CJK}]")
_SPACE_RUN = re.compile(r"\s+")

# A stop is tried only at the start of a run of stops, and runs are possessive: a line of fifty million dots stays linear.
_BOUNDARY = re.compile(
    r"""
    (?<![.!?…])(?P<stop>[.!?…]++["'”’»)\]*_]*+)(?P<gap>\s++)    # a full stop with its closing quotes, then white space
    | [。！？；｡]++["'”’」』）】》〉]*+\s*+                         # Chinese and Japanese stops need no space
    | (?<!…)…++["”’」』）】》]++\s*+                                     # ……” ends speech
    | \n(?:[^\S\n]*+\n)++\s*+                                    # an empty line
    | \n(?=[^\S\n]*+(?:[-*+•·▪]|\d{1,3}[.)]|\#{1,6})[^\S\n])      # the next line is a list item or a heading
    """,
    re.VERBOSE,
)
_PARAGRAPH = re.compile(r"\n(?:[^\S\n]*+\n)++")
_LINE = re.compile(r"\n+")
_LAST_WORD = re.compile(r"[^\s(\[\"“‘'/—–-]*\Z")
_FIRST_WORD = re.compile(r"[\"'“‘(\[*_]*([^\W\d_]+)?")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]\Z")  # U.S, e.g, p.m, J.R
_LONG_SENTENCE = 600


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Never the last word of a sentence: titles and words that a name, a number or a reference follows.
_LEADING = _words(
    "mr mrs ms dr prof rev hon st mt ft gen col lt sgt capt cmdr adm maj gov sen rep pres sr fr br supt insp messrs mme mlle "
    "vs v viz cf eg ie ca approx fig figs eq eqs sec ch vol vols nos pp ed eds trans dept univ assn al"
)
# Often the last word of a sentence: the sentence goes on unless the next word usually starts one.
_EITHER = _words(
    "jr etc inc ltd co corp bros jan feb mar apr jun jul aug sep sept oct nov dec ave blvd rd no op ex est phd esq"
)
_STARTERS = _words(
    "the a an it its he she they we you i in on at of for from by with after before when while since if as although though "
    "this that these those there then however but and or so his her their our my your who what where why how one both each "
    "during under also meanwhile according today later"
)


def is_cjk(char: str) -> bool:
    """Whether one character is a Chinese, Japanese or Korean letter (punctuation apart)."""
    return _CJK_CHAR.match(char) is not None


def cjk_share(text: str) -> float:
    """The share, 0 to 1, of Chinese, Japanese and Korean letters among the characters that are not white space."""
    if not text or text.isascii():
        return 0.0
    letters = len(text) - len(_CJK_RUN.sub("", text))
    visible = len(text) - sum(end - start for start, end in (m.span() for m in _SPACE_RUN.finditer(text)))
    return letters / visible if visible else 0.0


def paragraph_spans(text: str) -> list[Span]:
    """Paragraphs, parted by empty lines; the empty lines belong to the paragraph before. An empty text has none."""
    return _spans([match.end() for match in _PARAGRAPH.finditer(text)], len(text))


def line_spans(text: str) -> list[Span]:
    """Lines; empty lines belong to the line before. An empty text has none."""
    return _spans([match.end() for match in _LINE.finditer(text)], len(text))


def sentence_spans(text: str) -> list[Span]:
    """Sentences, English and Chinese; white space after one belongs to it. An empty text has none.

    Titles ("Dr. Smith"), initials ("J. R. R. Tolkien"), dotted abbreviations ("U.S. troops") and decimals end no sentence.
    What has no stop for 600 characters (code, tables, verse) is split at its lines.
    """
    cuts: list[int] = []
    last = 0
    for match in _BOUNDARY.finditer(text):
        if match.lastgroup is not None and not _ends_sentence(text, match):
            continue
        end = match.end()
        if end - last > _LONG_SENTENCE:
            cuts.extend(line.end() for line in _LINE.finditer(text, last, end) if line.end() < end)
        cuts.append(end)
        last = end
    if len(text) - last > _LONG_SENTENCE:
        cuts.extend(line.end() for line in _LINE.finditer(text, last))
    return _spans(cuts, len(text))


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    """Whether the stop at `match` ends a sentence, judged by the word before it and the word after it."""
    start, end = match.start("stop"), match.end()
    if "\n" in match["gap"] and match["gap"].count("\n") > 1:
        return True
    following = text[end : end + 1]
    if following.islower():
        return False
    if match["stop"][0] != "." or match["stop"].startswith(".."):
        return True
    word = _LAST_WORD.search(text, max(0, start - 24), start)
    before = word.group() if word else ""
    plain = before.lower()
    if plain in _LEADING:
        return False
    if plain == "no":
        return not following.isdigit()
    initial = len(before) == 1 and before.isalpha() and before.isupper()
    if not initial and plain not in _EITHER and not _DOTTED.search(before):
        return not (
            before.isdigit() and len(before) < 4 and (start - len(before) == 0 or text[start - len(before) - 1] == "\n")
        )
    first = _FIRST_WORD.match(text, end)
    next_word = first.group(1) if first else None
    return next_word is not None and next_word.lower() in _STARTERS


def _spans(cuts: list[int], size: int) -> list[Span]:
    if not size:
        return []
    if not cuts or cuts[-1] < size:
        cuts.append(size)
    return list(zip([0, *cuts[:-1]], cuts, strict=True))


# ------------------------------------------------------------------ folding

_ALIKE = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»″〝〞「」『』＂", '"'),
        **dict.fromkeys("‘’‚‛′‵`´＇", "'"),
        **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
    }
)
_FOLD_PART = re.compile(
    r"(?P<space>\s+)|(?P<plain>[!-_a-~]+(?![\u0300-\u036f]))|(?P<other>.)[\u0300-\u036f\u3099\u309a]{0,8}", re.DOTALL
)


def fold(text: str) -> tuple[str, list[int]]:
    """The text as it is compared, and for each of its characters the offset in `text` that it came from.

    NFKC, case kept, white space collapsed to one blank (to none between Chinese letters), quotes and dashes unified, soft
    hyphens and zero-width characters dropped. The offsets have one entry more than the folded text: `len(text)`.
    """
    parts: list[str] = []
    offsets: list[int] = []
    for match in _FOLD_PART.finditer(text):
        start, end = match.span()
        if match.lastgroup == "plain":
            parts.append(match.group())
            offsets.extend(range(start, end))
            continue
        if match.lastgroup == "space":
            if _CJK_CHAR.match(text, end) and start and _CJK_CHAR.match(text, start - 1):
                continue
            folded = " "
        else:
            # Unified before NFKC as well: NFKC makes a blank and an accent of a lone acute.
            folded = unicodedata.normalize("NFKC", match.group().translate(_ALIKE)).translate(_ALIKE)
        parts.append(folded)
        offsets.extend([start] * len(folded))
    offsets.append(len(text))
    return "".join(parts), offsets
