"""Reads a card as a browser would: what stands in it, and that there is nothing but what we put there."""

from __future__ import annotations

import re
from html.parser import HTMLParser

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    '<a href="javascript:alert(1)">x</a>',
    "<!-- never closed",
    "</section></details></style><style>*{display:none}",
    "<div style='position:fixed;inset:0",
    "&lt;script&gt; &#60;script&#62;",
    "<svg/onload=alert(1)>",
    "`${alert(1)}` {{7*7}}",
)
OVERRIDES = "\u202egnp.exe\u202c \u2066x\u2069 \x1b[31m \x00"
TAGS = {
    *(
        "style",
        "section",
        "div",
        "strong",
        "span",
        "p",
        "ul",
        "li",
        "details",
        "summary",
        "q",
        "bdi",
        "mark",
        "dl",
        "dt",
        "dd",
        "a",
    ),
    *("table", "thead", "tbody", "tr", "th", "td", "br", "pre"),
}
ATTRIBUTES = {"class", "id", "dir", "aria-label", "role", "aria-level", "style", "href", "scope"}


class Page(HTMLParser):
    """Reads a card as a browser would, and notes every element and attribute; refuses what is opened and not closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def harmless(html: str) -> Page:
    """The page of a card in which there is nothing but what we put there."""
    page = Page(html)
    assert page.tags <= TAGS
    for tag, name, value in page.attributes:
        assert name in ATTRIBUTES, f"{tag} has {name}={value!r}"
        assert name != "href" or re.fullmatch(r"#xa-[0-9a-f]{8}-\d+", value), value
        assert name != "style" or re.fullmatch(r"width:\d+\.\d\d%", value), value
        assert name != "id" or re.fullmatch(r"xa-[0-9a-f]{8}-\d+", value), value
    assert html.count("<style>") == 1
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", html)
    return page
