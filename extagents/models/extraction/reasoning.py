"""Reasoning: the span that best answers a question, at the end of the chain of facts that best covers it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from extagents.models.extraction import choosing
from extagents.models.extraction.chains import Chain, Evidence, chains, prepare
from extagents.models.extraction.lexicon import STOP, TITLED
from extagents.models.extraction.question import Question
from extagents.models.extraction.reading import (
    Cover,
    holds,
    merged,
    weigh,
)
from extagents.models.extraction.spans import Span, completed, fit, spans_in
from extagents.models.extraction.vocabulary import Vocabulary, lowered
from extagents.types import Fact, Kind

# How much each trait of a span counts. Fitted on half of the questions of two sets of several steps.
WEIGHTS: dict[str, float] = {
    "chain": 11.19,
    "own": -4.97,
    "head": 2.01,
    "fresh": 2.49,
    "near": 2.33,
    "fit": 5.17,
    "apposed": 0.6,
    "defined": 0.37,
    "about": 1.52,
    "asked": -3.36,
    "bridge": 0.17,
    "passed": -5.66,
    "after": 0.5,
    "ahead": -0.29,
    "side": 1.15,
    "verbal": -1.88,
    "single": 1.8,
    "title": -6.3,
    "relevance": 4.8,
    "support": -0.27,
    "rank": 1.0,
    "idle": -1.0,
    "kinded": 1.5,
    "chunk": -0.57,
    "part": 0.33,
    "short": -0.43,
    "long": -0.81,
    "middle": -1.12,
    "link": 0.86,
    "parted": 2.21,
    "open": 0.76,
}
# What makes the first span sure to be right, and its sentence to hold the answer: fitted on whether they were.
CONFIDENCE: dict[str, float] = {
    "bias": -8.23,
    "heads": 1.35,
    "chain": 2.35,
    "margin": 0.69,
    "after": 1.25,
    "open": 0.58,
    "parted": 0.75,
    "link": 1.42,
    "fit": 1.53,
    "text": -0.73,
    "chunk": -0.11,
    "apposed": 0.52,
    "kinded": 1.0,
}
HOLDS: dict[str, float] = {
    "bias": -8.69,
    "heads": 2.0,
    "head": 0.99,
    "open": -0.29,
    "link": 1.65,
    "text": 0.71,
    "chunk": 0.8,
    "share": 3.5,
    "terms": 0.87,
    "best": -0.34,
    "crowd": -1.16,
    "chain": 2.32,
}
# Below FITS a span is not of the kind asked for. A span needs the confidence SPAN, a sentence LINE, more where a rung of
# less than FEW facts has not seen its rivals; in Chinese, where nothing was fitted, a sentence needs to cover SENTENCE of the
# question. Chains that cover less than COVERED are no answer.
FITS = 0.13
SPAN = 0.45
LINE = 0.2
LINE_OF_FEW = 0.5
FEW = 5
SENTENCE = 0.55
COVERED = 0.3
# One sentence that says nearly all of the question holds its answer, whatever the rivals say (the fitted confidences come from
# questions of several steps, which no one sentence covers).
DIRECT = 0.9
# Pairs of characters that span two words of a question stand in no other sentence: Chinese covers are that much lower.
CHINESE = 0.6


@dataclass(frozen=True, slots=True)
class Scored:
    """A possible answer with its score and the traits that made it."""

    text: str
    span: Span
    chain: Chain
    score: float
    traits: dict[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What reasoning came to: a verdict's content before it is one."""

    answerable: bool
    answer: str
    confidence: float
    facts: tuple[int, ...]
    queries: tuple[str, ...]


def candidates(question: Question, vocabulary: Vocabulary, found: Sequence[Chain]) -> list[Scored]:
    """Every span that may answer, best first."""
    spans: list[tuple[Span, Chain]] = []
    support: dict[str, set[str]] = {}
    for chain in found:
        last = chain.evidence[-1]
        for span in spans_in(last.quote, last.title, kind=question.answer_type, chinese=question.chinese):
            spans.append((span, chain))
            support.setdefault(lowered(span.text), set()).add(last.fact.document)
    heads = _heads(question, dict.fromkeys(range(len(question.terms)), 1.0)) or 1.0
    scored: list[Scored] = []
    for span, chain in spans:
        traits = _traits(question, span, chain, heads, len(support[lowered(span.text)]))
        score = sum(WEIGHTS[name] * value for name, value in traits.items())
        scored.append(Scored(span.text, span, chain, score, traits))
    scored.sort(key=lambda item: (-item.score, item.chain.evidence[-1].label, item.span.start, item.span.end))
    return scored


def _traits(question: Question, span: Span, chain: Chain, heads: float, documents: int) -> dict[str, float]:
    last = chain.evidence[-1]
    lower = lowered(span.text)
    own = weigh(question, last.own)
    head = _heads(question, last.own) / heads
    near = after = ahead = 0.0
    nearest: dict[int, float] = {}
    for start, end, index, share in last.hits:
        if span.start >= 0 and start < span.end and end > span.start:
            continue
        if span.start >= 0:
            between = last.lower[end : span.start] if end <= span.start else last.lower[span.end : start]
            if (
                len(between) <= 16
                and all(word in STOP for word in re.findall(r"\w+", between))
                and not re.search(r"[.;]", between)
            ):
                value = share * (0.3 + 0.7 * question.terms[index].head)
                if end <= span.start:
                    after = max(after, value)
                else:
                    ahead = max(ahead, value)
        gap = min(max(0, start), 60) if span.start < 0 else max(0, start - span.end, span.start - end)
        value = share / (1.0 + gap / 12.0)
        if value > nearest.get(index, 0.0):
            nearest[index] = value
    for index, value in nearest.items():
        near += question.terms[index].weight * (0.3 + 0.7 * question.terms[index].head) * value
    near /= sum(term.weight * (0.3 + 0.7 * term.head) for term in question.terms) or 1.0
    words = [word for word in re.findall(r"\w+", lower) if word not in STOP]
    noun = question.focus.split()[-1] if question.focus else ""
    asked = 1.0 if holds(question.lower, lower) else 0.0
    if not asked and words:
        known = sum(1 for word in words if holds(question.lower, word) and word != noun) / len(words)
        asked = 1.0 if known == 1.0 else 0.5 * known
    earlier = chain.evidence[:-1]
    bridge = any(lower == name or lower in name for other in earlier for name in (*other.names, other.clean))
    known_before = merged(*((other.covered, 1.0) for other in earlier)) if earlier else {}
    fresh = {index: share for index, share in last.own.items() if known_before.get(index, 0.0) < 0.5}
    about = bool(last.clean) and (holds(question.lower, last.clean) or any(last.clean in other.names for other in earlier))
    apposed, defined = _focused(question, span, last)
    passed = 0.0
    for other in earlier:
        if other.clean and (other.clean == lower or (span.shape != "chunk" and len(words) > 1 and holds(other.clean, lower))):
            onward = {index: share for index, share in other.own.items() if last.own.get(index, 0.0) < 0.5}
            passed = max(passed, _heads(question, onward) / heads)
    return {
        "chain": chain.covered,
        "own": own,
        "head": head,
        "fresh": weigh(question, fresh),
        "near": near,
        "fit": fit(span, question.answer_type, last.quote, question.focus),
        "apposed": apposed,
        "defined": defined,
        "about": float(about),
        "asked": asked,
        "bridge": float(bridge),
        "passed": passed,
        "after": after,
        "ahead": ahead,
        "side": _side(question, span, last),
        "verbal": float(span.shape == "chunk" and bool(re.search(r"(?:ed|ing|ly)$", words[-1] if words else ""))),
        "single": float(not earlier),
        "title": float(span.shape == "title"),
        "relevance": last.fact.relevance,
        "support": math.log(documents),
        "rank": math.log(min(last.label, 16)),
        "idle": float(bool(earlier) and weigh(question, fresh) < 0.02),
        "kinded": float(bool(noun) and noun in words and len(words) > 1),
        "chunk": float(span.shape == "chunk"),
        "part": float(span.shape == "part"),
        "short": float(len(words) <= 1),
        "long": float(len(words) >= 5),
        "middle": min(1.0, max(0, span.start) / 200.0),
        "link": chain.link,
        "parted": chain.parted,
        "open": weigh(question, fresh) / left if (left := 1.0 - weigh(question, known_before)) > 0.02 else 0.0,
    }


def _side(question: Question, span: Span, last: Evidence) -> float:
    """1 where the span stands on the side of the verb that its role in the question tells, -1 on the other, 0 if unclear."""
    if not question.role or question.role == "defined":
        return 0.0
    focus = set(question.focus.split())
    hits = [hit for hit in last.hits if question.terms[hit[2]].word not in focus and question.terms[hit[2]].head > 0.1]
    if not hits:
        return 0.0
    start, end, _, _ = max(hits, key=lambda hit: (question.terms[hit[2]].head * hit[3], -hit[0]))
    before = span.end <= start
    if not before and span.start < end:
        return 0.0
    if question.role == "object":
        return -1.0 if before else 1.0
    by = re.search(r"\bby\s+(?:the\s+)?$", last.lower[max(0, span.start - 12) : max(0, span.start)])
    return 1.0 if before or by else -1.0


def _heads(question: Question, covered: Cover) -> float:
    return sum(question.terms[index].head * question.terms[index].weight * share for index, share in covered.items())


def _focused(question: Question, span: Span, last: Evidence) -> tuple[float, float]:
    """Whether the noun asked for stands right beside the span ("actress X", "X City"), and whether it defines the title."""
    if not question.focus:
        return 0.0, 0.0
    noun = question.focus.split()[-1]
    stem = noun[:-1] if noun.endswith("s") and len(noun) > 4 else noun
    if span.start < 0:
        defines = re.search(rf"\b(?:is|was|are|were)\b.{{0,60}}\b{re.escape(stem)}", last.lower)
        return 0.0, float(defines is not None)
    before = last.lower[max(0, span.start - 24) : span.start]
    after = last.lower[span.end : span.end + 48]
    beside = (
        stem in before
        or stem in lowered(span.text)
        or re.match(rf",? (?:an?|the|is an?|was an?|is the|was the) [\w\s-]{{0,30}}{re.escape(stem)}", after)
    )
    return float(bool(beside)), 0.0


def reason(question: Question, vocabulary: Vocabulary, facts: Sequence[Fact], *, kind: Kind) -> Outcome:
    """The verdict over a rung's facts: the best span of the best chain, or the sentences that explain, or no answer."""
    evidence = prepare(question, vocabulary, facts)
    if not evidence or not question.terms:
        return Outcome(False, "", 0.0, (), ())
    if len(question.options) == 2:
        picked = choosing.option(question, vocabulary, evidence)
        return Outcome(True, *picked, ()) if picked is not None else Outcome(False, "", 0.2, (), question.options)
    found = chains(question, vocabulary, evidence)
    best = max(found, key=lambda chain: (chain.covered, -chain.evidence[-1].label))
    queries = open_queries(question, best)
    if best.covered < COVERED * (CHINESE if question.chinese else 1.0):
        return Outcome(False, "", min(1.0, best.covered), (), queries)
    if kind == "summary" or question.explains:
        chosen = sorted(found, key=lambda chain: (-chain.covered, chain.evidence[-1].label))[: 2 if kind != "summary" else 8]
        chosen = [chain for chain in chosen if chain.covered >= 0.7 * best.covered]
        last = sorted((chain.evidence[-1] for chain in chosen), key=lambda item: (item.fact.document, item.fact.start or 0))
        text = " ".join(item.quote for item in last)
        return Outcome(True, text, min(0.9, best.covered), tuple(item.label for item in last), ())
    if question.yes_no:
        decided = choosing.yes_or_no(question, vocabulary, evidence, best.covered)
        return Outcome(*decided, queries)
    ranked = [
        item for item in candidates(question, vocabulary, found) if item.traits["asked"] < 1.0 and item.traits["fit"] > FITS
    ]
    if not ranked:
        labels = tuple(item.label for item in best.evidence)
        return Outcome(True, best.evidence[-1].quote, 0.3 * min(1.0, best.covered), labels, queries)
    if question.focus.split()[-1:] and question.focus.split()[-1] in TITLED and not question.chinese:
        titled = _titled(question, found)
        if titled is not None:
            return titled
    first = ranked[0]
    text = completed(first.span, first.chain.evidence[-1].quote, question.answer_type, question.focus)
    found_signs = signs(question, ranked, facts)
    confidence = sure(found_signs)
    if len(first.chain.evidence) == 1 and _said(question, first.chain.evidence[0]) >= DIRECT:
        confidence = max(confidence, SPAN + 0.1)
    labels = tuple(item.label for item in first.chain.evidence)
    if confidence >= SPAN:
        return Outcome(True, text, confidence, labels, queries)
    # Too unsure of the span, sure enough of its sentence.
    held = sure(found_signs, HOLDS)
    if held >= (LINE if len(facts) >= FEW else LINE_OF_FEW) or (question.chinese and first.chain.covered >= SENTENCE * CHINESE):
        return Outcome(True, _line(first.chain.evidence[-1].quote, first.span), max(confidence, 0.8 * held), labels, queries)
    return Outcome(False, "", confidence, (), queries)


def _said(question: Question, evidence: Evidence) -> float:
    """The share of the question's rarity that one sentence holds, the noun asked about ("year") left out."""
    focus = set(question.focus.split())
    asked = [(index, term.weight) for index, term in enumerate(question.terms) if term.word not in focus]
    total = sum(weight for _, weight in asked)
    return sum(weight * evidence.covered.get(index, 0.0) for index, weight in asked) / total if total else 0.0


def _line(quote: str, span: Span) -> str:
    """A quote as an answer: of one with more than three lines (code, tables) only the line that holds the span."""
    if quote.count("\n") < 3:
        return quote
    start = max(span.start, 0)
    end = quote.find("\n", start)
    return quote[quote.rfind("\n", 0, start) + 1 : end if end >= 0 else len(quote)].strip() or quote


def _titled(question: Question, found: Sequence[Chain]) -> Outcome | None:
    """Which module, file or article it is: the title of the facts that cover most, of those whose title is not asked about."""
    best: dict[str, float] = {}
    for chain in found:
        last = chain.evidence[-1]
        if last.title and not holds(question.lower, last.clean):
            best[last.title] = max(best.get(last.title, 0.0), weigh(question, last.covered))
    if not best:
        return None
    title = max(best, key=lambda name: (best[name], name))
    if best[title] < SENTENCE:
        return None
    about = [chain.evidence[-1] for chain in found if chain.evidence[-1].title == title]
    named = sorted(about, key=lambda item: (not holds(item.lower, item.clean), -weigh(question, item.covered), item.label))
    return Outcome(True, title, 0.8 * min(1.0, best[title]), tuple(sorted(item.label for item in named[:2])), ())


def signs(question: Question, ranked: Sequence[Scored], facts: Sequence[Fact]) -> dict[str, float]:
    """What tells whether the first of the ranked spans is right, and its sentence the one; `facts` are all of the rung."""
    first = ranked[0]
    lower, label = lowered(first.text), first.chain.evidence[-1].label
    rivals = [item.score for item in ranked[1:] if (other := lowered(item.text)) not in lower and lower not in other]
    covered = merged(*((item.covered, 1.0) for item in first.chain.evidence))
    everything = dict.fromkeys(range(len(question.terms)), 1.0)
    chances = [(math.exp(max(-30.0, item.score - first.score)), item.chain.evidence[-1].label == label) for item in ranked]
    return {
        "bias": 1.0,
        "heads": _heads(question, covered) / (_heads(question, everything) or 1.0),
        "text": float(question.answer_type == "text"),
        "margin": min(3.0, first.score - rivals[0]) if rivals else 1.0,
        "share": sum(chance for chance, same in chances if same) / sum(chance for chance, _ in chances),
        "terms": math.log(len(question.terms)),
        "best": max(fact.relevance for fact in facts),
        "crowd": min(fact.relevance for fact in facts),
        **{
            name: first.traits[name]
            for name in ("chain", "head", "fit", "after", "apposed", "kinded", "chunk", "single", "parted", "open", "link")
        },
    }


def sure(found: Mapping[str, float], weights: Mapping[str, float] = CONFIDENCE) -> float:
    """The probability, 0 to 1, that a span with these signs is right (by `HOLDS`: that its sentence holds the answer)."""
    return 1.0 / (1.0 + math.exp(-sum(weights[name] * found[name] for name in weights)))


def open_queries(question: Question, chain: Chain) -> tuple[str, ...]:
    """Where to look next: the names that a chain brings up, with the question's words that it leaves open; at most three."""
    return follow(question, merged(*((item.covered, 1.0) for item in chain.evidence)), chain.evidence[-1].names)


def follow(question: Question, covered: Cover, names: Sequence[str]) -> tuple[str, ...]:
    """Queries out of names and of the question's words that are not covered; none where all is covered."""
    missing = [term.word for index, term in enumerate(question.terms) if covered.get(index, 0.0) < 0.5]
    if not missing:
        return ()
    return tuple(f"{name} {' '.join(missing[:6])}" for name in names[:3])
