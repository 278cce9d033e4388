"""The command line: every command, its options, and a help that teaches. Only the standard library is loaded here."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from extagents.errors import UsageError

TOP = """\
Answers questions over inputs far larger than any context window, with citations that hold.
Parallel readers share a memory; a reasoner answers from what they found; every quote is checked."""

TOP_EXAMPLES = """\
start here:
  extagents ask "When was the parser replaced?" --over docs/     the built-in extractive model: no key
  extagents ask "…" --over docs/ --model openai:gpt-4o-mini      OPENAI_API_KEY holds the key
  extagents ask "…" --over docs/ --model openai:NAME --base-url http://localhost:8000/v1    your server
  extagents doctor                                               what is missing, and how to mend it

stdout holds the result only; progress and notices go to stderr.
exit status: 0 answered or done · 1 the run failed · 2 wrong usage or nothing to read
             3 nothing in the input answers it · 4 stopped by budget, deadline or interrupt
             130 a second Ctrl-C
Settings have variables too: EXTAGENTS_MODEL, EXTAGENTS_MEMORY, EXTAGENTS_EFFORT, …"""

ASK_EXAMPLES = """\
examples:
  extagents ask "Who maintains the parser?" --over handbook/ notes.pdf
  extagents ask "What does it cost?" --over deals/ --model openai:gpt-4o --max-cost 0.50 --deadline 120
  extagents ask "…" --over corpus.jsonl --model openai:gpt-4o --reader-model openai:gpt-4o-mini
  extagents ask "…" --over docs/ --memory redis://localhost:6379/0 --tenant research --run monday
  echo "Which module parses TOML?" | extagents ask - --over src/ --json

Ctrl-C once ends with the best answer so far; twice ends at once."""

BATCH_EXAMPLES = """\
examples:
  extagents batch questions.jsonl --over docs/ --out answers.jsonl
  extagents batch questions.csv --over docs/ --out answers.parquet --model openai:gpt-4o-mini --max-cost 5
questions.jsonl has a line {"id": "1", "question": "…"} for each; "over" and "instructions" may stand there, too.
Started again, it goes on where it stopped; a question that failed is asked again, and no answered call is paid twice.
exit status: 0 every question has its line · 4 stopped before that"""

COMPRESS_EXAMPLES = """\
examples:
  extagents compress "Who maintains the parser?" --over docs/ --tokens 8000 > context.txt
  extagents compress "…" --over corpus.jsonl --tokens 16000 --granularity sentence --model openai:gpt-4o-mini
  extagents compress "…" --over reports/ --tokens 4000 --json | jq .spans
The text is the input's own: every span of --json says where it stands in which document."""

TABLE_EXAMPLES = """\
examples:
  extagents table "Which lighthouses are taller than 40 m?" --over lighthouses/ --out rows.csv
  extagents table "Revenue and headcount of each company" --over filings/ --model openai:gpt-4o-mini > rows.csv
  extagents table "…" --over filings/ --sources --out rows.parquet
The form is that of the name: .csv, .tsv, .jsonl, .json or .parquet. --sources adds where each value stands.
exit status: 0 there are rows · 3 nothing could be put into rows · 4 stopped before it was done"""

SURVEY_EXAMPLES = """\
examples:
  extagents survey "How the parser changed" --over docs/ --words 800 > survey.md
  extagents survey "…" --over papers/ --words 2500 --model openai:gpt-4o-mini --out survey.md
  extagents survey "…" --over meetings.jsonl --words 600 --json | jq .citations
Every sentence carries markers like [3]; the list of references at the end says what they mean."""

SEARCH_EXAMPLES = """\
examples:
  extagents search "parser replaced" --over docs/ -k 5
  extagents search --queries questions.jsonl --over corpus.jsonl > hits.jsonl
Hits come best first, with document, character offsets into its extracted text, and score.
Each line of questions.jsonl is {"id": …, "question": …}; each line out is {"id": …, "hits": […]}."""

ESTIMATE_EXAMPLES = """\
example:
  extagents estimate "Who maintains the parser?" --over docs/ --model openai:gpt-4o-mini"""

RUNS_EXAMPLES = """\
examples:
  extagents runs list
  extagents runs show monday --memory redis://localhost:6379/0
  extagents runs show monday --table           the rows that its answer was computed from, and the SQL
  extagents runs resume monday                 after Ctrl-C, a crash, or a budget that was too small
  extagents runs forget monday"""

CORPUS_EXAMPLES = """\
example:
  extagents corpus docs/ report.pdf table.csv.gz"""

DOCTOR_EXAMPLES = """\
examples:
  extagents doctor
  extagents doctor --model openai:gpt-4o-mini --memory redis://localhost:6379/0"""


class Parser(argparse.ArgumentParser):
    """Wrong usage becomes a `UsageError`, so that it is told like every other error."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        hint = f"See: {self.prog} --help"
        if any(f"required: {name}" in message for name in ("QUESTION", "QUERY", "TOPIC")):
            hint = f"It comes before --over. {hint}"
        raise UsageError(message[:1].upper() + message[1:] + ".", hint=hint)


def positive(text: str) -> int:
    """A whole number of at least 1; `_` and `,` may group its digits."""
    try:
        number = int(text.replace(",", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def amount(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def rounds(text: str) -> int | str:
    """A number of rounds, or `all`."""
    return text if text == "all" else positive(text)


def strategy(text: str) -> str:
    """A strategy of this version."""
    if text not in ("fused", "parallel", "iterative", "single"):
        raise argparse.ArgumentTypeError(f"{text!r} is not one of fused, parallel, iterative, single")
    return text


def executor(text: str) -> str:
    """An executor of this version."""
    if text not in ("local", "ray"):
        raise argparse.ArgumentTypeError(f"{text!r} is not one of local, ray")
    return text


def _over(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--over", metavar="PATH", nargs="+", action="extend", required=True, help="files and folders to read; may be repeated"
    )


def _output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print exactly one JSON object")
    group.add_argument("--quiet", action="store_true", help="no progress and no notices on stderr")


def _model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", metavar="M", help="extractive (default, no model needed), openai:NAME or langchain:PROVIDER:NAME"
    )
    group.add_argument("--base-url", metavar="U", help="any OpenAI-compatible endpoint; else OPENAI_BASE_URL, else OpenAI")
    group.add_argument("--reader-model", metavar="M", help="another model for the readers, where most tokens go")
    group.add_argument("--window", metavar="N", type=positive, help="context window in tokens (default: asked of the model)")
    group.add_argument("--concurrency", metavar="N", type=positive, help="most model calls in flight (default: 64)")
    group.add_argument("--seed", metavar="N", type=int, help="sampling seed handed to the model")


def _reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--effort",
        choices=("quick", "balanced", "thorough"),
        help="thorough reads everything once before it may stop; balanced (default) and quick may stop earlier",
    )
    group.add_argument(
        "--strategy",
        type=strategy,
        metavar="S",
        help="fused (the default: every way of reasoning), parallel (readers, ladder), iterative (memory agent), single",
    )
    group.add_argument(
        "--rounds", metavar="N|all", type=rounds, help="most reading rounds (default: 5); all: re-read everything"
    )
    group.add_argument("--lanes", metavar="N", type=positive, help="iterative: stretches read side by side (default: by size)")
    group.add_argument(
        "--heads", metavar="N", type=positive, help="iterative: notes kept side by side on the same text (default: 2)"
    )
    group.add_argument("--shard-tokens", metavar="N", type=positive, help="most tokens of a shard, all of one size")
    _executor(group)


def _executor(group: Any) -> None:
    group.add_argument(
        "--executor",
        type=executor,
        metavar="local|ray",
        help="where readers run: in this process (default), or on a Ray cluster's nodes over a memory in Redis",
    )


def _budget(parser: argparse.ArgumentParser, title: str = "budget (hard: what is not covered is not started)") -> None:
    group = parser.add_argument_group(title)
    group.add_argument("--max-tokens", metavar="N", type=positive, help="input and output tokens of all calls")
    group.add_argument("--max-cost", metavar="USD", type=amount, help="USD")
    group.add_argument("--max-calls", metavar="N", type=positive, help="model calls, retries included")
    group.add_argument("--deadline", metavar="SECONDS", type=amount, help="wall-clock seconds")


def _memory(parser: argparse.ArgumentParser) -> Any:
    group = parser.add_argument_group("memory")
    group.add_argument(
        "--memory", metavar="URL", help="sqlite:///PATH, memory://, redis://…, rediss://…, unix://… (default: a file of yours)"
    )
    group.add_argument("--tenant", metavar="NAME", help="whose memory it is; tenants cannot see each other")
    return group


def _run(group: Any) -> None:
    group.add_argument("--run", metavar="NAME", help="name of the run; one that exists is refused, unless --resume")
    group.add_argument("--resume", action="store_true", help="go on with the run of --run")


def _anew(parser: argparse.ArgumentParser) -> None:
    """What of a run may be given anew when it is resumed."""
    parser.add_argument("--over", metavar="PATH", nargs="+", action="extend", help="the same input, where it has moved")
    group = parser.add_argument_group("model (default: as the run was begun)")
    group.add_argument("--model", metavar="M", help="extractive, openai:NAME or langchain:PROVIDER:NAME")
    group.add_argument("--base-url", metavar="U", help="any OpenAI-compatible endpoint")
    group.add_argument("--reader-model", metavar="M", help="another model for the readers")
    group.add_argument("--concurrency", metavar="N", type=positive, help="most model calls in flight")
    _executor(group)
    _budget(parser)


def build_parser() -> Parser:
    """The parser of the whole command line; `command` names what was asked for."""
    import extagents

    parser = Parser(prog="extagents", description=TOP, epilog=TOP_EXAMPLES)
    parser.add_argument("--version", action="version", version=f"extagents {extagents.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser, title="commands")

    def command(name: str, text: str, examples: str, usage: str | None = None) -> Parser:
        description = text[:1].upper() + text[1:] + "."
        return commands.add_parser(name, help=text, description=description, epilog=examples, usage=usage)

    ask = command("ask", "answer one question", ASK_EXAMPLES, "extagents ask QUESTION --over PATH… [options]")
    ask.add_argument("question", metavar="QUESTION", help="the question; - reads it from stdin")
    _over(ask)
    _model(ask)
    _reading(ask)
    _budget(ask)
    _run(_memory(ask))
    _output(ask)

    batch = command(
        "batch",
        "answer many questions into a file; started again it goes on",
        BATCH_EXAMPLES,
        "extagents batch QUESTIONS --over PATH… --out ANSWERS [options]",
    )
    batch.add_argument(
        "questions", metavar="QUESTIONS", help="JSONL with id and question, CSV or TSV with such columns, or Parquet"
    )
    batch.add_argument("--over", metavar="PATH", nargs="+", action="extend", help="files and folders to read; may be repeated")
    batch.add_argument("--out", metavar="ANSWERS", required=True, help="JSONL (a line a question), or Parquet")
    batch.add_argument(
        "--questions-per-read",
        metavar="N|auto",
        default="auto",
        help="questions in one read of a shard; auto (default): as many as the model bears without finding less",
    )
    _model(batch)
    _reading(batch)
    _budget(batch, "budget of the whole batch (hard: what is not covered is not started)")
    each = batch.add_argument_group("budget of every question")
    each.add_argument("--question-tokens", metavar="N", type=positive, help="input and output tokens of all its calls")
    each.add_argument("--question-cost", metavar="USD", type=amount, help="USD")
    each.add_argument("--question-calls", metavar="N", type=positive, help="its model calls, retries included")
    each.add_argument("--question-seconds", metavar="SECONDS", type=amount, help="wall-clock seconds")
    group = _memory(batch)
    group.add_argument("--run", metavar="NAME", help="name of the batch in the memory (default: made from --out)")
    group.add_argument("--resume", action="store_true", help="go on where it stopped, as a batch always does")
    _output(batch)

    compress = command(
        "compress",
        "keep what matters to a question, verbatim, as context for another model",
        COMPRESS_EXAMPLES,
        "extagents compress QUESTION --over PATH… --tokens N [options]",
    )
    compress.add_argument("question", metavar="QUESTION", help="the question; - reads it from stdin")
    _over(compress)
    compress.add_argument("--tokens", metavar="N", type=positive, required=True, help="most tokens of the text")
    compress.add_argument(
        "--granularity",
        choices=("auto", "word", "sentence", "paragraph"),
        default="auto",
        help="what is kept around a quote: nothing (word), its sentence, its paragraph, or as much as fits (auto, the default)",
    )
    _model(compress)
    _reading(compress)
    _budget(compress)
    _run(_memory(compress))
    _output(compress)

    survey = command(
        "survey",
        "write a long text on a topic, with citations in every sentence",
        SURVEY_EXAMPLES,
        "extagents survey TOPIC --over PATH… --words N [options]",
    )
    survey.add_argument("topic", metavar="TOPIC", help="what the text is about; - reads it from stdin")
    _over(survey)
    survey.add_argument(
        "--words", metavar="N", type=positive, required=True, help="length in words; Chinese characters count one each"
    )
    survey.add_argument("--out", metavar="FILE.md", help="write the Markdown to a file instead of stdout")
    _model(survey)
    _reading(survey)
    _budget(survey)
    _run(_memory(survey))
    _output(survey)

    table = command(
        "table",
        "the rows that a question is computed from, as data for other tools",
        TABLE_EXAMPLES,
        "extagents table QUESTION --over PATH… [--out FILE] [options]",
    )
    table.add_argument("question", metavar="QUESTION", help="what the rows are for; - reads it from stdin")
    _over(table)
    table.add_argument(
        "--out", metavar="FILE", help="write the rows to a .csv, .tsv, .jsonl, .json or .parquet file instead of CSV on stdout"
    )
    table.add_argument("--sources", action="store_true", help="beside each value its document, offsets, page and quote")
    _model(table)
    _reading(table)
    _budget(table)
    _run(_memory(table))
    _output(table)

    search = command(
        "search", "find evidence without a model", SEARCH_EXAMPLES, "extagents search QUERY --over PATH… [options]"
    )
    search.add_argument("query", metavar="QUERY", nargs="?", help="what to look for")
    search.add_argument("--queries", metavar="FILE.jsonl", help="many queries: {id, question} lines in, {id, hits} lines out")
    _over(search)
    search.add_argument("-k", metavar="N", type=positive, default=10, help="most hits (default: 10)")
    _output(search)

    estimate = command(
        "estimate",
        "calls, tokens and cost, lowest and highest, before anything is spent",
        ESTIMATE_EXAMPLES,
        "extagents estimate QUESTION --over PATH… [options]",
    )
    estimate.add_argument("question", metavar="QUESTION", help="the question; - reads it from stdin")
    _over(estimate)
    _model(estimate)
    _reading(estimate)
    _budget(estimate)
    _memory(estimate)
    _output(estimate)

    runs = command("runs", "what the memory holds", RUNS_EXAMPLES)
    actions = runs.add_subparsers(dest="action", metavar="ACTION", parser_class=Parser, title="actions", required=True)
    for name, text in (
        ("list", "all runs, the newest first"),
        ("show", "one run: question, answer, citations, what it read and cost"),
        ("resume", "go on with a run as it was begun; nothing that was answered is paid for again"),
        ("forget", "delete all that is stored under a run"),
    ):
        action = actions.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".")
        if name != "list":
            action.add_argument("run", metavar="RUN", help="name of the run")
        if name == "show":
            action.add_argument(
                "--table", action="store_true", help="the table of its answer: rows, SQL, result, checks, conflicts, gaps"
            )
        if name == "resume":
            _anew(action)
        _memory(action)
        _output(action)

    corpus = command("corpus", "documents, shards, tokens, and what could not be read and why", CORPUS_EXAMPLES)
    corpus.add_argument("paths", metavar="PATH", nargs="+", help="files and folders")
    corpus.add_argument(
        "--shard-tokens", metavar="N", type=positive, default=8_000, help="most tokens of a shard (default: 8000)"
    )
    _output(corpus)

    doctor = command("doctor", "check model, memory, window and extras, and say how to mend what is wrong", DOCTOR_EXAMPLES)
    _model(doctor)
    _memory(doctor)
    _executor(doctor)
    _output(doctor)
    return parser
