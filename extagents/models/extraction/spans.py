"""Answer spans of a sentence, and how well each fits the kind of thing that a question asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from extagents.models.extraction.lexicon import (
    CONTINENTS,
    COUNTRIES,
    MONTHS,
    NATIONALITY_ENDINGS,
    ORGANIZATION,
    PERSON_TITLES,
    PLACE,
    STATES,
    STOP,
    STOP_ZH,
)
from extagents.models.extraction.names import names_in
from extagents.text import is_cjk
from extagents.types import AnswerType

_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?"
)
_DATE = re.compile(
    rf"\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:, ?\d{{3,4}})?\b|\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?{_MONTH}(?:,?"
    rf" \d{{3,4}})?\b|\b{_MONTH},? \d{{4}}\b"
    r"|\b(?:in the )?(?:early |mid-?|late )?(?:1[0-9]|20)\d0s\b|\b(?:early |mid-?|late )?(?:\d{1,2}(?:st|nd|rd|th)"
    r"|[a-z]+(?:st|nd|rd|th)) century\b"
    r"|\b\d{4}-\d{2}-\d{2}\b|\b(?:19|20)\d{6}\b|\b1\d{3}\b(?![,.]\d)|\b20\d{2}\b(?![,.]\d)|\b(?:AD |c\. ?)\d{2,4}\b"
    r"|\b\d{2,4} (?:AD|BC|BCE|CE)\b"
    r"|\b\d{1,2}(?::\d{2})? ?(?:[ap]\.m\.|[ap]m\b|[AP]\.?M\.?(?!\w))|\b\d{1,2}:\d{2}\b|\b(?:version |Python"
    r" )\d+\.\d+(?:\.\d+)?\b"
    r"|\d{2,4} ?年(?: ?\d{1,2} ?月(?: ?\d{1,2} ?[日号])?)?|\d{1,2} ?月 ?\d{1,2} ?[日号]"
    r"|\d{1,2} ?世纪(?: ?\d{2} ?年代)?(?:[初中末]期?)?"
    r"|\d{2} ?年代"
)
_NUMBER_WORD = (
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    r"|eighteen|nineteen|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|once|twice|thrice|half|dozen)"
)
_NUMBER = re.compile(
    r"(?<![\w.,])(?:US|A|C)?[$€£¥]? ?\d[\d,]*(?:\.\d+)?(?: ?(?:to|–|-) ?\d[\d,]*(?:\.\d+)?)?(?: e\d+\w*)?(?:½|¼|¾)?(?:"
    r" ?(?:million|billion|trillion|thousand|hundred)\b)?(?: ?(?:%|percent\b|per cent\b|°[CF]?))?"
    r"(?:st|nd|rd|th)?(?![\w]|[.,]\d)"
    rf"|\b{_NUMBER_WORD}(?:[- ]{_NUMBER_WORD})*(?:[- ]time)?\b"
    r"|\d[\d,.]* ?(?:[万亿千百]+)?(?: ?[%％])?|[一二两三四五六七八九十百千万亿]+(?=[个次位名人种年天月支家座条块分倍部场届])",
    re.IGNORECASE,
)
_UNIT_AFTER = re.compile(
    r"[ -]?(?:km2?|km²|kilomet(?:er|re)s?|met(?:er|re)s?|m|ft|feet|miles?|mi|inches|acres?|hectares?|kg|kilograms?"
    r"|pounds?|lbs?|tons?|tonnes?|"
    r"years?|days?|months?|weeks?|hours?|minutes?|seconds?|dollars|euros|people|inhabitants|bytes|bits|characters|KB|MB|GB)\b"
)
_CHUNK_BREAK = re.compile(r"[,.;:!?()\[\]{}\"“”\n–—/]|``|''|\s-\s")
_WORD = re.compile(r"[\w][\w'’.\-]*[\w]|\w")
_ZH_BREAK = re.compile(
    r"[，。；：！？、（）()\[\]《》“”\"‘’「」【】\n ]+|" + "|".join(sorted(map(re.escape, STOP_ZH), key=len, reverse=True))
)


@dataclass(frozen=True, slots=True)
class Span:
    """A possible answer: where it stands in its sentence (-1: it is the title), and by what shape it was found."""

    text: str
    start: int
    end: int
    shape: str  # name, part (of a name), quoted, code, date, number, chunk, title


def spans_in(quote: str, title: str, *, kind: AnswerType, chinese: bool) -> list[Span]:
    """All possible answers of a sentence. Chunks (runs of content words) are offered where the kind does not want a shape."""
    spans: dict[tuple[int, int], Span] = {}
    if kind == "date" or kind in ("text", "name", "list"):
        for match in _DATE.finditer(quote):
            spans[match.span()] = Span(match.group(), *match.span(), "date")
    if kind in ("number", "text", "name", "list"):
        dates = list(spans)
        for match in _NUMBER.finditer(quote):
            start, end = match.span()
            while start < end and quote[start] == " ":
                start += 1
            if end - start < 1 or (kind != "number" and any(s <= start and end <= e for s, e in dates)):
                continue
            spans.setdefault((start, end), Span(quote[start:end], start, end, "number"))
    if kind not in ("date", "number"):
        for name in names_in(quote):
            shape = "code" if name.code else "quoted" if name.quoted else "name"
            spans.setdefault((name.start, name.end), Span(name.text, name.start, name.end, shape))
            for cut in _parts(name.text):
                start = name.start + cut[0]
                end = name.start + cut[1]
                spans.setdefault((start, end), Span(quote[start:end], start, end, "part"))
        clean = clean_title(title)
        if clean:
            spans[-1, -1] = Span(clean, -1, -1, "title")
    if chinese:
        for start, end in _chinese_chunks(quote):
            spans.setdefault((start, end), Span(quote[start:end], start, end, "chunk"))
    elif kind in ("text", "list", "name", "place", "person"):
        names = [span for span in spans.values() if span.shape == "name" and span.start >= 0]
        for start, end in _chunks(quote):
            if not any(start < name.end and name.start < end and (name.start < start or end < name.end) for name in names):
                spans.setdefault((start, end), Span(quote[start:end], start, end, "chunk"))
    return list(spans.values())


def clean_title(title: str) -> str:
    """A title without its disambiguation in brackets, its file ending and its markup."""
    title = title[:200].strip(" #*=\t")
    if title.endswith((")", "）")):
        title = title[: max(title.rfind("("), title.rfind("（"), 0)].rstrip() or title
    return title.removesuffix(".py")


def _parts(name: str) -> list[tuple[int, int]]:
    """The pieces of a name joined by "of the", a hyphen or a comma: "University of Kansas" also offers "Kansas"."""
    cuts: list[tuple[int, int]] = []
    for match in re.finditer(r" of (?:the )?", name):
        cuts.append((match.end(), len(name)))
        cuts.append((0, match.start()))
    return cuts


def _chunks(quote: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    run: list[tuple[int, int]] = []

    def close() -> None:
        if 1 <= len(run) <= 7:
            found.append((run[0][0], run[-1][1]))
            if len(run) > 2:
                found.append((run[-2][0], run[-1][1]))
                found.append((run[0][0], run[1][1]))
        run.clear()

    breaks = {match.start() for match in _CHUNK_BREAK.finditer(quote)}
    last = 0
    for match in _WORD.finditer(quote):
        if run and any(at in breaks for at in range(last, match.start())):
            close()
        last = match.end()
        if match.group().lower() in STOP:
            close()
        else:
            run.append(match.span())
    close()
    return found


def _chinese_chunks(quote: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start = 0
    for match in [*_ZH_BREAK.finditer(quote), None]:
        end = match.start() if match else len(quote)
        if 1 < end - start <= 24:
            found.append((start, end))
        start = match.end() if match else end
    return found


def fit(span: Span, kind: AnswerType, quote: str, focus: str) -> float:
    """How well a span's looks fit the kind asked for, 0 to 1. `focus` is the noun after "which", lowered."""
    text, shape = span.text, span.shape
    words = [word.lower().strip(".,'’") for word in text.split()]
    if not words:
        return 0.0
    if kind == "date":
        if shape != "date":
            return 0.0
        if "year" in focus:
            return 1.0 if re.fullmatch(r"\d{4}( ?年)?", text) else 0.6
        if "century" in focus or "decade" in focus:
            return 1.0 if re.search(r"century|世纪|0s", text) else 0.3
        return 1.0 if re.search(r"\d{4}", text) else 0.8
    if kind == "number":
        if shape != "number":
            return 0.0
        year_like = bool(re.fullmatch(r"(?:1[5-9]|20)\d\d", text))
        percent = bool(re.search(r"%|percent|per cent|％", text))
        if re.search(r"percent|比例|百分", focus):
            return 1.0 if percent else 0.3
        return 0.25 if year_like else 0.6 if percent else 0.5 if text.lower() in ("one", "half") else 1.0
    if shape == "date":
        return 0.15 if kind in ("text", "list") else 0.0
    if shape == "number":
        return 0.3 if kind in ("text", "list") else 0.05
    lower = " ".join(words)
    if words[0] in MONTHS and len(words) <= 2:
        return 0.05
    if any(is_cjk(char) for char in text):
        return _fit_chinese(text, kind)
    nationality = (
        len(words) == 1 and (lower.endswith(NATIONALITY_ENDINGS) or lower in NATIONALITY_ENDINGS) and text[:1].isupper()
    )
    if nationality:
        return 0.9 if re.search(r"national|language|ethnic|descent|people|tribe", focus) else 0.2
    if kind in ("text", "list"):
        return {"name": 0.7, "part": 0.4, "title": 0.4, "quoted": 0.7, "code": 0.7, "chunk": 0.6}[shape]
    if shape == "chunk" or not (text[:1].isupper() or shape in ("quoted", "code", "title")):
        return 0.3 if kind == "name" else 0.12
    organization = words[-1] in ORGANIZATION or words[0] in ("university", "bank", "ministry", "department")
    known = lower in COUNTRIES or lower in STATES or lower in CONTINENTS
    place = known or words[-1] in PLACE or words[0] in PLACE
    person_title = words[0] in PERSON_TITLES
    before = quote[max(0, span.start - 24) : span.start] if span.start >= 0 else ""
    after = quote[span.end : span.end + 24] if span.start >= 0 else ""
    if kind == "person":
        if shape in ("quoted", "code"):
            return 0.2
        if (organization or place) and not person_title:
            return 0.1
        score = 0.9 if 2 <= len(words) <= 4 and " the " not in lower else 0.5
        if re.search(
            r"(?:\bby|\bMr\.?|\bDr\.?|\bhusband|\bwife|\bson|\bdaughter|\bsinger|\bactor|\bactress|\bdirector|\bauthor)\s*$",
            before,
        ):
            score += 0.1
        return min(1.0, score + (0.1 if person_title else 0.0))
    if kind == "place":
        return _fit_place(lower, words, focus, organization=organization, before=before, after=after)
    if kind == "organization":
        return 1.0 if organization else 0.3 if place else 0.65
    if known:
        return 0.3
    if focus.split()[-1:] in (["exception"], ["error"], ["exceptions"]):
        return 1.0 if re.search(r"(?:Error|Exception|Warning|Exit|Interrupt)$", text) else 0.1
    if focus.split()[-1:] and focus.split()[-1] in words[:1] + words[-1:] and len(words) > 1:
        return 1.0
    return {"quoted": 1.0, "code": 0.9, "title": 0.8, "name": 0.8, "part": 0.5, "chunk": 0.4}[shape]


def _fit_place(lower: str, words: list[str], focus: str, *, organization: bool, before: str, after: str) -> float:
    noun = focus.split()[-1] if focus else ""
    country, state = lower in COUNTRIES, lower in STATES
    place = country or state or lower in CONTINENTS or words[-1] in PLACE or words[0] in PLACE
    if noun in ("country", "nation"):
        return 1.0 if country else 0.25
    if noun == "continent":
        return 1.0 if lower in CONTINENTS else 0.1
    if noun == "state":
        return 1.0 if state else 0.2 if country else 0.45
    if noun in ("city", "town", "village") and (country or state or lower in CONTINENTS or words[-1] == "county"):
        return 0.25
    if noun in words:
        return 1.0
    if noun in ("county", "river", "lake", "island", "street", "park", "sea", "ocean", "mountain", "district", "province"):
        return 0.4
    if organization and not place:
        return 0.35
    score = 0.85 if place else 0.5
    if re.search(r"(?:\bin|\bat|\bfrom|\bnear|\bto|\bof|,)\s+(?:the\s+)?$", before):
        score += 0.25
    if re.match(r",\s+[A-Z]", after):
        score += 0.15
    if re.search(r"[A-Z][\w’'-]+,\s+$", before):
        score -= 0.3  # the region of a place that stands before it
    return min(1.0, score)


def _fit_chinese(text: str, kind: AnswerType) -> float:
    if kind == "person":
        return 1.0 if "·" in text else 0.7 if len(text) <= 4 else 0.4
    if kind == "place":
        return 1.0 if re.search(r"[国省市县州区岛洲镇村河湖山海街路院馆厦]$", text) else 0.5
    if kind == "organization":
        return 1.0 if re.search(r"(?:公司|大学|学院|学校|队|党|会|局|部|院|社|银行|集团|俱乐部)$", text) else 0.5
    return 0.6


_HEDGE = re.compile(
    r"\b(?:over|about|around|approximately|roughly|nearly|almost|more than|less than|up to|at least|some)\s+$", re.IGNORECASE
)
_REGION = re.compile(r", [A-Z][\w’'-]+(?: [A-Z][\w’'-]+)*")
_ENUMERATION = re.compile(r"(?:(?:,? and |, |,? & |、|和)(?:the )?[A-Z\u4e00-\u9fff][\w’'.-]*(?: [A-Z][\w’'.-]*)*)+")


def completed(span: Span, quote: str, kind: AnswerType, focus: str) -> str:
    """The span as an answer: a number with its unit, a place with its region, a whole enumeration where several are asked."""
    if span.start < 0:
        return span.text
    plural = kind == "list" or (focus.endswith("s") and not focus.endswith(("ss", "series", "us", "is")))
    pattern = (
        _UNIT_AFTER
        if kind == "number"
        else _ENUMERATION
        if plural and span.shape != "chunk"
        else _REGION
        if kind == "place"
        else None
    )
    match = pattern.match(quote, span.end) if pattern else None
    start = span.start
    if kind == "number" and (hedge := _HEDGE.search(quote, max(0, start - 24), start)):
        start = hedge.start()
    return quote[start : match.end() if match else span.end]
