"""Results as HTML: one function a kind of result, from its values to a card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from extagents.display.parts import (
    MOST_SHOWN,
    bar,
    card,
    checked,
    figures,
    foreign,
    line,
    names_of,
    notices,
    opening,
    place,
    reference,
    table,
    tagged,
    text,
    written,
)
from extagents.display.tables import table_section
from extagents.types import Answer, Compressed, Estimate, Unreadable, Usage
from extagents.wording import ENDS, count, covered, duration, kept, money, one_line, spent, tokens, unanswered, used

FIRST = 8  # citations in sight; the others open
MOST_CITED = 200  # citations of one answer in a page
MOST_ROWS = 50  # answers of a batch in a page
MOST_DOCUMENTS = 8
SURE = 0.7  # confidence from which an answer is shown as one to rely on


# ------------------------------------------------------------------ answers


def answer_card(answer: Answer) -> str:
    """An answer: its text, citations that open their context, what was read, what it cost, and what else is to be said."""
    parts = [_head(answer), _said(answer)]
    names = names_of(answer.citations, of=answer.answer)
    cited = [reference(number, *pair) for number, pair in enumerate(zip(answer.citations, names, strict=True), start=1)]
    if cited:
        parts.append(tagged("ul", "".join(cited[:FIRST]), kind="list"))
    if more := cited[FIRST:MOST_CITED]:
        head = f"{len(cited) - FIRST:,} more citations" if len(cited) > FIRST + 1 else "1 more citation"
        left = f'<p class="xa-dim">and {len(cited) - MOST_CITED:,} more</p>' if len(cited) > MOST_CITED else ""
        parts.append(opening(head, tagged("ul", "".join(more), kind="list") + left))
    if answer.table is not None:
        parts.append(table_section(answer.table))
    if len(answer.candidates) > 1 or (answer.candidates and not answer.answered):
        rows = [[text(one.path), foreign(one.answer, 400), f"{one.confidence:.2f}"] for one in answer.candidates]
        parts.append(opening(count(len(rows), "candidate"), table(("path", "answer", "confidence"), rows, numbers=(2,))))
    parts.append(bar(answer.coverage))
    parts.append(figures([*_reading(answer), *_spending(answer), *notices(answer.notices)]))
    return card(*parts, label="Answer" if answer.answered else "No answer")


def _head(answer: Answer) -> str:
    if _error(answer):
        return tagged("div", f"<strong>{tagged('span', 'Failed', kind='bad')}</strong>", kind="head")
    if not answer.answered:
        return tagged("div", f"<strong>{tagged('span', 'No answer', kind='warn')}</strong>", kind="head")
    said = ["<strong>Answer</strong>", _confidence(answer), tagged("span", text(answer.kind.replace("_", " ")))]
    if answer.partial:
        said.append(tagged("span", "partial", kind="warn"))
    return tagged("div", " ".join(said), kind="head")


def _confidence(answer: Answer) -> str:
    return tagged("span", f"confidence {answer.confidence:.2f}", kind=_sureness(answer))


def _sureness(answer: Answer) -> str:
    return "good" if answer.confidence >= SURE else "warn"


def _said(answer: Answer) -> str:
    """The answer's text, or what is said in its place."""
    if error := _error(answer):
        hint = f"<p>{foreign(str(error.get('hint', '')), 600)}</p>" if error.get("hint") else ""
        return tagged("div", f"<p>{foreign(str(error.get('message', '')), 600)}</p>{hint}", kind="none")
    if not answer.answered:
        return tagged("p", text(unanswered(answer)), kind="none")
    names = names_of(answer.citations[:MOST_CITED], of=answer.answer)
    if answer.kind == "summary":
        return tagged("div", written(answer.answer, names), kind="long")
    kind = "answer" if len(answer.answer) <= 200 else "long"
    shown = [text(one) for one in answer.answer.split("\n\n")]
    shown = [tagged("strong", one) for one in shown] if kind == "answer" else shown
    return "".join(f'<p class="xa-{kind}" dir="auto">{one}</p>' for one in shown)


def _error(answer: Answer) -> Mapping[str, Any]:
    """Why a question of a batch has no answer; nothing where it has."""
    return getattr(answer, "error", None) or {}


def _reading(result: Answer | Compressed) -> list[tuple[str, str]]:
    rows = []
    if result.stopped_by is not None:
        rows.append(("partial", tagged("span", text(ENDS[result.stopped_by]), kind="warn")))
    if result.coverage.shards:
        rows.append(("read", text(covered(result))))
    if result.coverage.failed:
        failed = f"{count(result.coverage.failed, 'shard')} could not be read"
        rows.append(("failed", tagged("span", text(failed), kind="bad")))
    return rows


def _spending(result: Answer | Compressed) -> list[tuple[str, str]]:
    rows = []
    if result.usage.calls or result.seconds:
        rows.append(("spent", text(f"{spent(result)} · {duration(result.seconds)}")))
    if named := [line(name, 200) for name in (result.run_id, result.model) if name]:
        rows.append(("run", " · ".join(named)))
    return rows


# ------------------------------------------------------------------ many answers


class Answers:
    """Answers of a batch for the eye: a row each, with a card that opens; `questions` in the same order, where known."""

    def __init__(self, given: Sequence[Answer], questions: Sequence[str] = ()) -> None:
        self.given = tuple(given)
        self.questions = tuple(questions)

    def __repr__(self) -> str:
        rows = [f"{number:>4}  {self._line(number - 1)}" for number in range(1, min(len(self.given), MOST_ROWS) + 1)]
        return "\n".join([self.summary, *rows])

    def _line(self, place: int) -> str:
        answer = self.given[place]
        question = f"{one_line(self.questions[place], 70)} → " if place < len(self.questions) else ""
        return f"{question}{one_line(_short(answer), 60)}"

    @property
    def summary(self) -> str:
        """How many were answered, stopped or failed, and what all of them cost."""
        failed = sum(bool(_error(answer)) for answer in self.given)
        answered = sum(answer.answered for answer in self.given)
        partial = sum(answer.partial for answer in self.given)
        usage = sum((answer.usage for answer in self.given), start=Usage())
        said = [f"{answered:,} of {count(len(self.given), 'question')} answered"]
        said += [f"{partial:,} partial"] if partial else []
        said += [f"{failed:,} failed"] if failed else []
        return " · ".join([*said, used(usage)])

    def _repr_html_(self) -> str:
        rows = []
        for number, answer in enumerate(self.given[:MOST_ROWS], start=1):
            question = foreign(self.questions[number - 1], 300) if number <= len(self.questions) else ""
            sure = tagged("span", f"{answer.confidence:.2f}", kind=_sureness(answer)) if answer.answered else ""
            rows.append([f"{number}", question, _cell(answer), sure, _sources(answer)])
        more = len(self.given) - MOST_ROWS
        left = f'<p class="xa-dim">and {more:,} more</p>' if more > 0 else ""
        head = tagged("div", f"<strong>Answers</strong> <span>{text(self.summary)}</span>", kind="head")
        told = dict.fromkeys(notice for answer in self.given if not _error(answer) for notice in answer.notices)
        shown = table(("", "question", "answer", "confidence", "from"), rows, numbers=(0, 3))
        return card(head, shown, left, figures(notices(list(told)[:FIRST])), label="Answers")


def answers(given: Sequence[Answer], questions: Sequence[str] = ()) -> Answers:
    """A table of answers, to be shown by a notebook; `questions` stand beside them, in the same order."""
    return Answers(given, questions)


def _short(answer: Answer) -> str:
    if error := _error(answer):
        return f"failed: {error.get('message', '')}"
    return answer.answer if answer.answered else unanswered(answer)


def _cell(answer: Answer) -> str:
    if _error(answer):
        return tagged("span", foreign(_short(answer), 300), kind="bad")
    if not answer.answered:
        return tagged("span", foreign(_short(answer), 300), kind="dim")
    said = foreign(answer.answer, 300)
    if not answer.citations:
        return said
    citation = answer.citations[0]
    within = f"{text(citation.before)}<mark>{text(citation.quote[:MOST_SHOWN])}</mark>{text(citation.after)}"
    where = f'<span class="xa-where" dir="ltr">{place(citation)} · {checked(citation)}</span>'
    return opening(f"<strong>{said}</strong>", f'<div class="xa-context" dir="auto">{within}{where}</div>')


def _sources(answer: Answer) -> str:
    documents = list(dict.fromkeys(citation.document for citation in answer.citations))
    more = f" and {len(documents) - 3} more" if len(documents) > 3 else ""
    return "<br>".join(foreign(document, 60) for document in documents[:3]) + more


# ------------------------------------------------------------------ compressed context


def compressed_card(context: Compressed) -> str:
    """Compressed context: how much is left of how much, the text, and where each stretch of it stands."""
    size = kept(context) if context.text else "nothing was found"
    head = tagged("div", f"<strong>Compressed context</strong> <span>{text(size)}</span>", kind="head")
    parts = [head]
    if context.text:
        shown = context.text[:MOST_SHOWN]
        left = len(context.text) - len(shown)
        more = f'<p class="xa-dim">and {left:,} more characters</p>' if left else ""
        parts.append(opening("text", f'<pre dir="auto">{text(shown)}</pre>{more}'))
        rows = [
            [
                foreign(span.document, 80),
                f"{span.start:,}–{span.end:,}",
                str(span.page or ""),
                foreign(context.text[span.out_start : span.out_end], 160),
            ]
            for span in context.spans[:MOST_ROWS]
        ]
        left = len(context.spans) - len(rows)
        more = f'<p class="xa-dim">and {left:,} more</p>' if left else ""
        columns = ("document", "characters", "page", "begins")
        parts.append(opening(count(len(context.spans), "span"), table(columns, rows, numbers=(1, 2)) + more))
    parts.append(bar(context.coverage))
    parts.append(figures([*_reading(context), *_spending(context), *notices(context.notices)]))
    return card(*parts, label="Compressed context")


# ------------------------------------------------------------------ what stands around answers


def estimate_card(estimate: Estimate) -> str:
    """What a run would cost, lowest and highest."""

    def row(name: str, lowest: str, highest: str) -> list[str]:
        return [text(name), text(lowest), text(highest)]

    rows = [row("calls", *(f"{value:,}" for value in estimate.calls))]
    rows.append(row("input tokens", *map(tokens, estimate.input_tokens)))
    rows.append(row("output tokens", *map(tokens, estimate.output_tokens)))
    rows.append(row("cost", *(map(money, estimate.cost) if estimate.cost is not None else ("price unknown", "price unknown"))))
    over = f"{count(estimate.shards, 'shard')} · {tokens(estimate.tokens)} tokens · {estimate.packing}"
    head = tagged("div", f"<strong>Estimate</strong> <span>{text(over)}</span>", kind="head")
    model = [("model", line(estimate.model, 200))] if estimate.model else []
    return card(head, table(("", "lowest", "highest"), rows, numbers=(1, 2)), figures(model), label="Estimate")


def corpus_card(
    documents: Sequence[tuple[str, str, int]],
    *,
    total: int,
    tokens_: int,
    shards: tuple[int, int] | None,
    unreadable: Sequence[Unreadable] = (),
    told: Sequence[str] = (),
) -> str:
    """A corpus: how much it holds, its first documents as (id, title, characters), and what could not be read.

    `shards` is a number of shards and the most tokens of one, where they are formed already.
    """
    size = f"{count(total, 'document')} · {tokens(tokens_)} tokens"
    if shards is not None:
        size += f" · {count(shards[0], 'shard')} of {tokens(shards[1])}"
    parts = [tagged("div", f"<strong>Corpus</strong> <span>{text(size)}</span>", kind="head")]
    rows = [[foreign(name, 80), foreign(title, 100), f"{length:,}"] for name, title, length in documents[:MOST_DOCUMENTS]]
    more = f'<p class="xa-dim">and {count(total - len(rows), "more document")}</p>' if total > len(rows) else ""
    parts.append(opening("documents", table(("document", "title", "characters"), rows, numbers=(2,)) + more))
    if unreadable:
        lost = [[foreign(item.path, 120), foreign(item.reason, 200)] for item in unreadable[:MOST_ROWS]]
        head = tagged("span", f"{count(len(unreadable), 'input')} could not be read", kind="warn")
        parts.append(opening(head, table(("input", "why"), lost)))
    if told:
        parts.append(figures(notices(told)))
    return card(*parts, label="Corpus")


def run_card(
    run: str,
    *,
    status: str,
    question: str,
    model: str,
    packing: str,
    reports: int,
    usage: Usage,
    result: Answer | Compressed | None,
) -> str:
    """A stored run: what was asked, how it stands, what it has cost, and what it ended with."""
    kind = {"done": "good", "failed": "bad"}.get(status, "warn")
    named = foreign(run, 120)
    head = tagged("div", f"<strong>Run</strong> <bdi>{named}</bdi> {tagged('span', text(status), kind=kind)}", kind="head")
    rows = [("question", foreign(question, 600)), ("reports", f"{reports:,}"), ("spent", text(used(usage)))]
    rows += [("shards", text(packing))] if packing else []
    rows += [("model", line(model, 200))] if model else []
    if isinstance(result, Answer):
        rows.insert(1, ("answer", _cell(result)))
    elif result is not None:
        rows.insert(1, ("context", text(kept(result))))
    return card(head, figures(rows), label="Run")
