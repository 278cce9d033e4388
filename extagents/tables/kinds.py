"""Words of a name that only say what kind of thing it names: MERIX trial, MV Calara, Republic of Mali, 雪龙号.

In a table of one kind of thing they add nothing, unless two things are told apart by them: the two Congos, an Orion trial and
an Orion project. So they are no part of `normalised`; `entities.resolve` leaves them out where the other names allow it.
"""

from __future__ import annotations

import re

# The same kind under several words; a city, a county or a bank of a name is another thing, and no kind here.
_BEHIND = {
    word: kind
    for kind, words in {
        "study": "trial trials study studies",
        "project": "project program programme",
        "ship": "ship vessel",
        "product": "model",
    }.items()
    for word in words.split()
}
_BEFORE = {"mv": "ship", "ss": "ship", "mt": "ship", "project": "project"}
_CHINESE = re.compile(
    r"^(?P<base>.{2,}?)(?:(?P<study>(?:临床)?(?:试验|研究))|(?P<project>项目|计划|工程)|(?<![\d一二三四五六七八九十零〇])(?P<ship>号|轮))$"
)
_CHINESE_STATE = re.compile(r"^(?P<base>.{2,}?)(?P<form>(?:人民|民主|社会主义|伊斯兰|联邦|阿拉伯|联合)*共和国|王国|公国)$")
_STATE = re.compile(
    r"^(?P<form>(?:(?:federal|federative|federated|democratic|peoples|socialist|islamic|arab|united|hashemite|cooperative|"
    r"co operative|bolivarian|plurinational|oriental|grand|independent) )*"
    r"(?:republic|kingdom|states?|commonwealth|federation|principality|sultanate|emirate|duchy|union)) of (?:the )?"
    r"(?P<base>.+)$"
)
# Names that two states bear.
_SHARED = frozenset("china korea congo 中国 中华 刚果 朝鲜 韩国".split())


def kind_of(key: str) -> tuple[str, str] | None:
    """A normalised name without the words that say its kind, and the kind; None where there are no such words.

    The kind of a state is its form: those of two forms are two states.
    """
    state = _STATE.match(key) or _CHINESE_STATE.match(key)
    if state is not None:
        base = state["base"]
        return None if base in _SHARED else (base, state["form"])
    chinese = _CHINESE.match(key)
    if chinese is not None:
        return chinese["base"], next(kind for kind in ("study", "project", "ship") if chinese[kind])
    words = key.split()
    if len(words) > 1 and words[-1] in _BEHIND:
        return " ".join(words[:-1]), _BEHIND[words[-1]]
    if len(words) > 1 and words[0] in _BEFORE:
        return " ".join(words[1:]), _BEFORE[words[0]]
    return None
