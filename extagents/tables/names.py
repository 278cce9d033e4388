"""What a name is made of: its words in one spelling, its legal form, abbreviations in brackets, and what sets it apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from extagents.text import is_cjk


@dataclass(frozen=True)
class Name:
    """A name taken apart. Two names with the same `key` differ at most in spelling, legal form and brackets.

    `others` are keys of further names for the same thing, told in brackets or by another way of writing; `brackets` those
    that are abbreviations. `forms` are the legal systems of its legal forms, `group` says that it calls itself a 集团.
    `tails` are names that it only belongs to: Virginia in “Richmond, Virginia” and “Economy of Virginia”. `article` is its own.
    `numbers`, `directions` and `parts` (bank, holdings, 分公司) are what tells like names of unlike things apart.
    """

    name: str
    key: str
    words: tuple[str, ...]
    others: frozenset[str]
    brackets: frozenset[str]
    forms: frozenset[str]
    group: bool
    company: bool
    numbers: tuple[str, ...]
    directions: tuple[str, ...]
    parts: frozenset[str]
    chinese: bool
    capitals: str
    article: str
    tails: frozenset[str]

    @property
    def letters(self) -> str:
        """The key without its spaces."""
        return self.key.replace(" ", "")


# ------------------------------------------------------------------ word lists


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Legal forms by the law that they belong to; "" are those that are used for each other, or under many laws.
_FORMS = {
    form: law
    for law, forms in {
        "": "co company corp corporation companies cos",
        "us": "inc incorporated llc lp",
        "uk": "ltd limited plc llp pty pte",
        "de": "gmbh ag kg kgaa ug ohg mbh",
        "romance": "sa sas sarl srl spa ltda sl slu saa sab",
        "nl": "nv bv",
        "nordic": "ab asa as aps oy oyj hf",
        "jp": "kk",
        "eu": "se",
        "my": "sdn bhd",
        "id": "pt tbk",
        "ru": "ooo oao zao pao ao jsc pjsc ojsc",
        "cz": "sro",
        "pl": "spzoo",
        "tr": "as",
    }.items()
    for form in forms.split()
}
_BEFORE = _words("pt ooo oao zao pao ao jsc pjsc ojsc")
_BETWEEN = _words("and private pvt")  # of "& Co.", "Pvt. Ltd."
# Words as well as legal forms: they count where they are written like one (SA, S.A., SpA).
_ALSO_WORDS = _words("as sa se ag ab spa co ao pt sl lp ug hf oy cos sas companies")
_NEUTRAL_CASE = _words("co cos companies")
_CHINESE_FORM = re.compile(
    "(?:股份有限公司|股份有限责任公司|有限责任公司|有限公司|股份公司|股份|有限|(?<![分子母])公司|集团|股份有限公司|"
    "有限責任公司|集團|株式会社|주식회사|유한회사)$"
)
_CHINESE_BEFORE = re.compile("^(?:株式会社|주식회사)")
_GROUP = re.compile("集团|集團")
_COMPANY = re.compile("有限|股份|公司|株式会社|주식회사")
_TITLES = _words("mr mrs ms miss dr prof professor sir dame herr frau monsieur mme mlle hon rev")
_CHINESE_TITLE = re.compile("(?:先生|女士|小姐|博士|教授|院士)$")

_NUMBERS = {
    word: str(number)
    for number, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), start=1)
}
_ORDINALS = {
    word: f"{number}{ending}"
    for number, ending, word in (
        (1, "st", "first"),
        (2, "nd", "second"),
        (3, "rd", "third"),
        *((n, "th", w) for n, w in enumerate("fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(), 4)),
    )
}
_ROMAN = {
    roman: str(number)
    for number, roman in enumerate(
        "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx xxi xxii xxiii xxiv xxv".split(), start=1
    )
}
_CHINESE_DIGITS = {char: str(number) for number, char in enumerate("〇一二三四五六七八九")} | {"零": "0", "两": "2"}
_CHINESE_NUMBER = re.compile("(?<=第)[〇零一二三四五六七八九十]{1,4}|[〇零一二三四五六七八九十]{1,4}(?=[号期届世年季级班])")
_MODEL = re.compile("(?<=\\d)型$")
_SENIORITY = {"jr": "jr", "junior": "jr", "sr": "sr", "senior": "sr", "jnr": "jr", "snr": "sr"}

_DIRECTIONS = _words(
    "north south east west northern southern eastern western northeast northwest southeast southwest northeastern "
    "northwestern southeastern southwestern upper lower inner outer left right central middle new old greater lesser "
    "great little big small jr sr pre post anti non"
)
_CHINESE_DIRECTIONS = re.compile("[东西南北東上下左右内外新旧舊前后後大小]")
_PARTS = _words(
    "holding holdings service services bank banking bancorp insurance assurance reinsurance capital finance financial energy "
    "power oil gas mining foods food pharma pharmaceutical pharmaceuticals technology technologies systems solutions "
    "software logistics shipping airlines airways motors automotive international global europe asia america americas "
    "ventures partners trust fund foundation university institute college school hospital club team media entertainment "
    "research properties realty estate investment investments securities leasing retail industries industrial consulting "
    "digital cloud labs laboratories health healthcare medical chemicals steel cement textiles construction engineering "
    "telecom communications networks electric electronics semiconductor semiconductors water group subsidiary branch "
    "division republic kingdom province county city district island islands river lake mount mountain council committee "
    "ministry department agency museum airport station stadium"
)
_STATES = _words("republic kingdom state states commonwealth federation union principality sultanate emirate duchy empire")
_CHINESE_PARTS = re.compile(
    "分公司|子公司|母公司|控股|银行|保险|证券|基金|信托|租赁|投资|资本|财务|科技|技术|能源|电力|地产|置业|物业|物流|"
    "医药|医院|大学|学院|中学|小学|分行|支行|研究院|研究所|汽车|国际|服务|集团"
)

# ------------------------------------------------------------------ brackets

_BRACKETS = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_TOLD = re.compile(
    r"^(?:(?:formerly|previously|originally)(?: known as)?|f/?k/?a|a/?k/?a|also known as|also called|known as"
    r"|abbreviated(?: as)?|in short|short|for short|hereafter|hereinafter|abbr\.?|ticker|symbol|stock code|n[ée]e"
    r"|nyse(?: american)?|nasdaq|lse|amex|tsx|asx|hkex|sehk|sse|szse|otc|xetra|euronext|six|jse|nse|bse|tse|tyo|sgx"
    r"|原名|曾用名|前称|前身为?|又名|又称|亦称|也称|以下简称|下称|简称|股票代码|证券代码|股票简称|证券简称|代码)(?![a-z])[\s:：为]*",
    re.IGNORECASE,
)
# Countries and unions that are written like tickers, and tell things of one name apart.
_REGIONS = _words("USA UAE PRC ROC DRC GDR FRG USSR NSW EMEA APAC ROK DPRK")
_CODE = re.compile(r"^(?:[A-Z]{3,5}|[A-Z]{1,4}[.:][A-Z]{1,2}|(?:SH|SZ|HK|BJ)?\.?\d{4,6}(?:\.(?:SH|SZ|HK|BJ|SS))?)$")
_QUOTES = "\"'“”‘’„«»「」『』"

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_APOSTROPHE = re.compile("(?<=\\w)['’‘`´](?=\\w)")
_DOTTED = re.compile(r"(?<!\w)((?:[^\W\d_]\.){2,}[^\W\d_]?(?!\w)|S\.p\.A\.?|[Ss]p\. ?z ?o\. ?o\.)")
_SLASHED = re.compile(r"\b(A|M|S)/(S|V|T)\b")  # A/S, M/V, S/S, M/T
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_TOKEN = re.compile(r"\d+(?:\.\d+)+|[^\W_]+[+#]*")
_DIGITS = re.compile(r"\d+(?:\.\d+)*")
_ARTICLE = re.compile(r"(the|an?)\b", re.IGNORECASE)
_INVERTED = re.compile(r"^([^,]+), *((?:the|north|south|east|west|[^,]+ of(?: the)?)) *$", re.IGNORECASE)
_LAST_FIRST = re.compile(r"^([^\W\d_][^,\d]*), *([^\W\d_][^,\d]*)$")
_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Å": "Aa", "Ø": "Oe"}
)
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "ð": "d", "þ": "th", "ħ": "h"})


def normalised(name: str) -> str:
    """The name without what only its spelling adds: case, accents, punctuation, articles, titles, legal forms, abbreviations.

    What tells things apart stays: numbers (as digits), directions, other words in brackets, "Republic of". Never empty,
    unless the name is.
    """
    return taken_apart(name).key


@lru_cache(maxsize=65_536)
def taken_apart(name: str) -> Name:
    """The name with all that is compared of it."""
    shown = " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFKC", name)).split()).strip(_QUOTES + " ")
    base, others, brackets = _unbracketed(shown)
    inverted = _INVERTED.match(base)
    if inverted is not None:
        base = f"{inverted[2]} {inverted[1]}"
    words, forms = _spelt(base)
    key = " ".join(words) or shown.casefold()
    if base != (other := base.translate(_UMLAUTS)):
        others = others | {" ".join(_spelt(other)[0])}
    if inverted is None and (turned := _LAST_FIRST.match(base)) is not None:
        first = " ".join(_spelt(f"{turned[2]} {turned[1]}")[0])
        others = others | ({first} if sorted(first.split()) == sorted(words) else set())
    return Name(
        name=name,
        key=key,
        words=tuple(words) or (key,),
        others=frozenset(others - {key, ""}),
        brackets=frozenset(brackets - {key, ""}),
        forms=frozenset(forms - {""}),
        group=_GROUP.search(base) is not None,
        company=_COMPANY.search(_GROUP.sub("", base)) is not None,
        numbers=tuple(sorted(_numbers(key))),
        directions=tuple(sorted([*(word for word in words if word in _DIRECTIONS), *_CHINESE_DIRECTIONS.findall(key)])),
        parts=frozenset(word for word in words if word in _PARTS) | frozenset(_CHINESE_PARTS.findall(key)),
        chinese=any(map(is_cjk, key)),
        capitals=base if base.isupper() and " " not in base else "",
        article=found[1].casefold() if (found := _ARTICLE.match(base)) is not None else "",
        tails=frozenset(_tails(base, key)),
    )


def _tails(base: str, key: str) -> Iterator[str]:
    """What stands behind a comma, or behind "of" unless a state is named so."""
    if ", " in base:
        yield " ".join(_spelt(base.rpartition(", ")[2])[0])
    before, of, after = key.partition(" of ")
    if of and not _STATES & set(before.split()):
        yield after.removeprefix("the ")


def _numbers(key: str) -> Iterable[str]:
    yield from (digits.lstrip("0") or "0" for digits in _DIGITS.findall(key))
    yield from (_CHINESE_DIGITS.get(char, "10") for char in key if char in "十两" or char in _CHINESE_DIGITS)


# ------------------------------------------------------------------ words


def _spelt(base: str) -> tuple[list[str], set[str]]:
    """The words of a name in one spelling, and the legal systems of the forms that were left out."""
    text = _APOSTROPHE.sub("", _DOTTED.sub(lambda match: match[0].replace(".", "").replace(" ", ""), base))
    text = _THOUSANDS.sub("", _SLASHED.sub(r"\1\2", text).replace("&", " and ").replace("＆", " and "))
    written = _TOKEN.findall(text)
    forms: set[str] = set()
    written = _without_forms(written, forms)
    folded = [_folded(word) for word in written]
    if len(folded) > 1 and folded[0] in ("the", "a", "an"):
        folded = folded[1:]
    while len(folded) > 2 and folded[0] in _TITLES:
        folded = folded[1:]
    joined: list[str] = []
    for place, word in enumerate(folded):
        word = _counted(word, first=place == 0, last=place == len(folded) - 1)
        if joined and is_cjk(word[0]) and is_cjk(joined[-1][-1]):
            joined[-1] += word
        else:
            joined.append(word)
    return [_chinese(word, forms) if is_cjk(word[-1]) else word for word in joined], forms


def _folded(word: str) -> str:
    """A word without case and, in letters of Europe, without accents; other scripts need their marks."""
    low = word.casefold()
    if low.isascii():
        return low
    parts: list[str] = []
    for char in low:
        plain = unicodedata.normalize("NFD", char)
        parts.append(plain[0] if ord(plain[0]) < 0x400 else char)
    return "".join(parts).translate(_LETTERS)


def _without_forms(words: list[str], forms: set[str]) -> list[str]:
    """The words without legal forms at the end, or in front where they stand there; one word at least is left."""
    least = 2 if words and words[0].casefold() in ("the", "a", "an") else 1
    while len(words) > least:
        low = _folded(words[-1])
        if low in _FORMS and _is_form(words[-1], low):
            forms.add(_FORMS[low])
        elif not (low in _BETWEEN and forms):
            break
        words = words[:-1]
    if len(words) > least and words[0].isupper() and words[0].casefold() in _BEFORE:
        forms.add(_FORMS[words[0].casefold()])
        words = words[1:]
    return words


def _is_form(word: str, low: str) -> bool:
    return low not in _ALSO_WORDS or low in _NEUTRAL_CASE or word.isupper() or word == "SpA"


def _counted(word: str, *, first: bool, last: bool) -> str:
    """Numbers in words and Roman numerals as digits. A first word is none: Xi, Vi and I are names."""
    if word in _ORDINALS:
        return _ORDINALS[word]
    if word in _SENIORITY:
        return _SENIORITY[word]
    if first:
        return word
    if word in _ROMAN and (len(word) > 1 or last):
        return _ROMAN[word]
    return _NUMBERS.get(word, word)


def _chinese(word: str, forms: set[str]) -> str:
    """A Chinese word without legal forms and titles; numbers that count as digits."""
    while (shorter := _CHINESE_FORM.sub("", word)) != word and len(shorter) >= 2:
        word = shorter
    if len(shorter := _CHINESE_BEFORE.sub("", word)) >= 2:
        word = shorter
    if len(shorter := _CHINESE_TITLE.sub("", word)) >= 2:
        word = shorter
    return _MODEL.sub("", _CHINESE_NUMBER.sub(lambda match: _digits(match[0]), word))


def _digits(number: str) -> str:
    """二〇二三 → 2023, 十 → 10, 二十一 → 21."""
    if "十" not in number:
        return "".join(_CHINESE_DIGITS[char] for char in number)
    tens, _, ones = number.partition("十")
    if "十" in ones or len(tens) > 1 or len(ones) > 1:
        return number
    return str(10 * int(_CHINESE_DIGITS.get(tens, "1")) + int(_CHINESE_DIGITS.get(ones, "0")))


# ------------------------------------------------------------------ abbreviations


def _unbracketed(shown: str) -> tuple[str, set[str], set[str]]:
    """The name without brackets that only say it again; keys of what they say, and of those that are abbreviations.

    Other brackets tell things of one name apart (a place, a year) and stay, as words.
    """
    base = " ".join(_BRACKETS.sub(" ", shown).split())
    if not base or base == shown:
        return shown, set(), set()
    others: set[str] = set()
    brackets: set[str] = set()
    kept = base
    for inside in (match[1].strip(_QUOTES + " ") for match in _BRACKETS.finditer(shown)):
        told = _TOLD.match(inside)
        said = inside[told.end() :].strip(_QUOTES + " ") if told is not None else inside
        if told is not None or (_CODE.match(inside) and inside not in _REGIONS) or shortens(inside, base):
            if re.search(r"[^\W\d_]", said):
                others.add(key := " ".join(_spelt(said)[0]))
                if told is None:
                    brackets.add(key)
        elif shortens(base, inside):
            others.add(" ".join(_spelt(base)[0]))
            kept = kept.replace(base, inside, 1)
        elif not inside or _is_only_form(inside):
            continue
        else:
            kept += f" {inside}"
    return kept, others, brackets


def _is_only_form(inside: str) -> bool:
    words = [_folded(word) for word in _TOKEN.findall(inside)]
    return all(word in _FORMS or word == "the" or _CHINESE_FORM.sub("", word) == "" for word in words)


def shortens(short: str, name: str) -> bool:
    """Whether `short` looks like an abbreviation of `name`: capitals, or Chinese, whose letters stand in it in this order."""
    letters = "".join(char for char in short if char.isalnum())
    whole = "".join(char for char in name if char.isalnum())
    if not 2 <= len(letters) < len(whole) or len(letters) > 12 or " " in short.strip():
        return False
    chinese = all(map(is_cjk, letters))
    if not chinese and sum(char.isupper() for char in letters) * 2 < len(letters):
        return False
    if any(char.isdigit() for char in letters) and not any(char.isalpha() for char in letters):
        return False
    at = iter(whole.casefold())
    if whole[0].casefold() != letters[0].casefold() and not chinese:
        return False
    return all(any(char == other for other in at) for char in letters.casefold())
