"""Made-up names: of entities in several forms, and of people. No two entities of a world sound alike."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_HEADS = (
    "Bal Bren Cas Cor Dal Dun El Far Fen Gal Gor Har Hol Il Jor Kal Kes Lor Lum Mar Mel Nor Nor Or Pel Quin Ras Rho Sel "
    "Sor Tal Tor Ul Val Ves Wex Yar Zan Zel Thra Skel Vor Myr Ost Prin Stra Bly Crei Droo Fjal"
).split()
_MIDDLES = "a e i o u ara ello ima onde ura ista ave emi oro anti ubri ego ilu osta eni".split()
_TAILS = "dan rix vale ston mere lund gard tis nor mond wick dell ra vik sen tara phis bury zan lo quet drin mar".split()
_ZH = "晟澜曜霖岚钧铭翊骁澈瀚珩琅昱泓沣峥嵘桓彧晗煜烨栩筠菡蔚岱峻翎羲璟珂瑜璞玥泽沐澄洺渊濯烁炜熠"
_ZH_SECOND = "远川岳宸洲源达盛丰和信安平瑞祥海天云星原野峰林江河湖泉谷坪"
_GIVEN = (
    "Ada Anton Beatrix Boris Clara Dmitri Edith Emil Farah Felix Greta Hugo Ingrid Ivan Johanna Karim Leila Magnus Nadia "
    "Oskar Petra Quentin Rosa Samir Tilda Umar Vera Walter Xenia Yusuf Zoe Amara Bruno Celia"
).split()
_FAMILY = (
    "Abeling Brandvold Castellan Dragomir Eskildsen Farquhar Grimaldo Halvorsen Ibarrola Jankowski Kettering Lindqvist "
    "Marchetti Novosad Okonjo Pellerin Quillon Rasmussen Szalai Thorvald Uddin Vandermeer Wetherby Yamazato Zubiri Ahlgren"
).split()
_ZH_FAMILY = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹"
_ZH_GIVEN = "建华国强志明丽娟海燕文博思远子涵雨桐浩然佳宁承志欣怡俊杰梓轩晓峰雪梅"


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity: its name as answers give it, every form in which documents write it (the name among them), and the word that
    all of them share.
    """

    name: str
    forms: tuple[str, ...]
    word: str


def _word(rng: random.Random, language: str) -> str:
    if language == "zh":
        return "".join(rng.sample(_ZH, 2)) + rng.choice(_ZH_SECOND)
    return rng.choice(_HEADS) + rng.choice(_MIDDLES) + rng.choice(_TAILS)


def _forms(kind: str, language: str, word: str, rng: random.Random) -> tuple[str, ...]:
    """The forms of a name, the one of answers first."""
    if language == "zh":
        number = rng.randint(2, 99)
        return {
            "company": (f"{word}股份有限公司", word, f"{word}公司"),
            "country": (f"{word}共和国", word),
            "trial": (f"{word}试验", f"{word}研究", word),
            "product": (f"{word}{number}型", f"{word}-{number}型", f"{word}{number}"),
            "ship": (f"{word}号", f"“{word}”号", f"{word}轮"),
        }[kind]
    if kind == "company":
        long, short = rng.choice((("Corporation", "Corp."), ("Incorporated", "Inc."), ("Limited", "Ltd."), ("Company", "Co.")))
        return (f"{word} {long}", f"{word} {short}", word)
    if kind == "country":
        return (word, f"Republic of {word}", f"the Republic of {word}")
    if kind == "trial":
        return (f"{word.upper()} trial", f"{word.upper()} study", word.upper())
    if kind == "product":
        number = rng.randint(2, 99) * 10
        return (f"{word} {number}", f"{word}-{number}", f"the {word} {number}")
    return (f"MV {word}", f"M/V {word}", word)


def entities(kind: str, count: int, language: str, rng: random.Random, *, taken: Iterable[str] = ()) -> list[Entity]:
    """So many entities whose names are far from each other and from the words of `taken` in spelling."""
    from rapidfuzz import fuzz, process

    words = list(taken)
    close = 60.0 if language == "zh" else 80.0
    made: list[Entity] = []
    while len(made) < count:
        word = _word(rng, language)
        if words and process.extractOne(word, words, scorer=fuzz.ratio, score_cutoff=close) is not None:
            close = min(99.0, close + 0.05)  # many names stand closer together; equal ones never get in
            continue
        words.append(word)
        forms = _forms(kind, language, word, rng)
        made.append(Entity(forms[0], forms, word.upper() if forms[-1].isupper() else word))
    return made


def people(language: str, rng: random.Random) -> Callable[[], str]:
    """A source of people's names, none twice."""
    used: set[str] = set()

    def person() -> str:
        while True:
            if language == "zh":
                name = rng.choice(_ZH_FAMILY) + "".join(rng.sample(_ZH_GIVEN, 2))
            else:
                middle = rng.choice("ABCDEFGHJKLMNPRSTVW")
                name = f"{rng.choice(_GIVEN)} {middle}. {rng.choice(_FAMILY)}"
            if name not in used:
                used.add(name)
                return name

    return person
