"""What the blocks of the documents find where they are run: a handbook of a made-up house, questions, and a model on loopback.

The model reads prompts as they are sent and answers in the form asked for: it takes the line that shares most words with the
question. It thinks no more than that; what the documents show of it is how it is called.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

HANDBOOK = {
    "archive.md": """# The Meridian archive

The Meridian archive was founded in 1974 by Ilse Brandt.

The archive's reading room is in Lisbon. It is open from Tuesday to Saturday.
""",
    "leave.md": """# Leave

New employees have 27 days of leave a year. After ten years it is 30 days.

Leave that is not taken by the end of March is lost.
""",
    "expenses.md": """# Expenses

Receipts are handed in at the office in Porto, within 60 days. Trips by train are booked in second class.
""",
    "parser.md": """# The parser

The parser was designed by Ottilie Marsh. It was replaced in 2020, because the old one could not be taught the new grammar.

Casper Quist maintains the parser.
""",
    "people/brandt.md": """# Ilse Brandt

Ilse Brandt was born in Tromsø in 1931. She trained as a cartographer.
""",
    "lighthouse.md": """# 临江灯塔

临江灯塔建于1902年，高三十六米。

灯塔的看守人是林远舟。
""",
}
LIBRARIES = {
    "aldmoor.md": ("Aldmoor Library", "Ireland", "1874", "240,000"),
    "brekke.md": ("Brekke Library", "Norway", "1912", "96,500"),
    "casa.md": ("Casa das Letras", "Portugal", "1931", "1.2 million"),
    "dunholm.md": ("Dunholm Library", "Ireland", "1958", "410,000"),
    "fjordheim.md": ("Fjordheim Library", "Norway", "1899", "655,000"),
    "rua-nova.md": ("Rua Nova Library", "Portugal", "2004", "not known"),
}
REPORT = "# Report\n\nDate: 2021-03-01\nName: Brekke Library\nVolumes: 104,000\n"
QUESTIONS = (
    {"id": "founder", "question": "Who founded the Meridian archive?"},
    {"id": "leave", "question": "How many days of leave do new employees have?"},
    {"id": "parser", "question": "Who maintains the parser?"},
    {"id": "moons", "question": "How many moons does Jupiter have?"},
)
PART = re.compile(r"^=== \S+ \S+ begins ===\n(.*?)^=== \S+ \S+ ends ===$", re.MULTILINE | re.DOTALL)
QUESTION = re.compile(r"^# (?:Question|问题)\n(.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"[“「\"]([^”」\"]+)[”」\"]")


def furnish(folder: Path) -> None:
    """Writes the handbook, the libraries and the questions into a folder."""
    for name, text in HANDBOOK.items():
        path = folder / "handbook" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    libraries = folder / "libraries"
    libraries.mkdir()
    for name, (library, country, opened, volumes) in LIBRARIES.items():
        told = f"Name: {library}\nCountry: {country}\nOpened: {opened}\nVolumes: {volumes}\n"
        closing = "The reading room is open to everybody. Readers leave their coats at the door.\n"
        (libraries / name).write_text(f"# {library}\n\n{told}\n{closing}", encoding="utf-8")
    (libraries / "report-2021.md").write_text(REPORT, encoding="utf-8")
    lines = (json.dumps(question, ensure_ascii=False) + "\n" for question in QUESTIONS)
    (folder / "questions.jsonl").write_text("".join(lines), encoding="utf-8")


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}|\d+|[一-鿿]", text.lower()))


def best(question: str, lines: list[str]) -> str:
    """The line that shares most words with the question; "" where none does."""
    ranked = sorted(lines, key=lambda line: (-len(words(line) & words(question)), len(line)))
    return ranked[0] if ranked and len(words(ranked[0]) & words(question)) >= 2 else ""


def reply(body: dict[str, Any]) -> str:
    """The model's answer to a request."""
    system, user = body["messages"][0]["content"], body["messages"][-1]["content"]
    asked = QUESTION.search(user)
    question = asked[1].strip() if asked else user.strip().splitlines()[-1]
    if '"core"' in system:
        made = {"core": question, "instructions": "", "kind": "lookup", "answer_type": "name", "queries": [question]}
    elif '"continues"' in system or (part := PART.search(user)) is None:
        made = {"facts": [], "queries": [], "continues": False}
        if '"answerable"' in system:
            made = {"answerable": False, "answer": "", "confidence": 0, "facts": [], "queries": []}
    else:
        lines = [line.strip() for line in re.split(r"\n|(?<=[.。]) ?", part[1]) if line.strip() and not line.startswith("#")]
        quote = best(question, [line for line in lines if line[-1] in ".。"])
        names = re.findall(r"[A-Z]\w+ [A-Z]\w+", quote)
        answer = next((name for name in names if name not in question), quote)
        facts = [{"claim": quote, "quote": quote, "relevance": 0.9}] if quote else []
        sure = 0.9 if quote else 0
        made = {"facts": facts, "answerable": bool(quote), "answer": answer, "confidence": sure}
    return json.dumps(made, ensure_ascii=False)
