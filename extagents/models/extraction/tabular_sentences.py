"""Values that stand in simple sentences: “X reported revenue of $1.2 billion in 2023”, “总部位于北京”."""

from __future__ import annotations

import re
from collections.abc import Sequence

from extagents.models.extraction.tabular_values import figure_of, looks_dated, nothing, unit_beside
from extagents.tables.templates_words import tokens, wordings, years
from extagents.tabular import Column, ReportedCell
from extagents.text import is_cjk, sentence_spans

_LINK = (
    r"(?:,?\s*(?:which|that)\s+)?\s*(?:of|was|were|is|are|stood at|stands at|reached|reaches|t"
    r"otall?ed|totals|amounted to|amounts to|came to|came in at|"
    r"hit|equalled|at|:|(?:rose|grew|fell|increased|decreased|climbed|declined|dropped|slipped"
    r"|improved|jumped|went up|went down)"
    r"(?:\s+by)?(?:\s+[\d.,]+\s*(?:%|percent))?\s+to|has been|had been|exceeded)\s*"
    r"(?:about|approximately|around|roughly|some|a total of|nearly|just over|just under|almost|estimated at|reported at)?\s*"
)
_VALUE = (
    r"(?P<value>(?:US\$|HK\$|[A-Z]{3}\s|[$€£¥])?\s?[-−]?\d[\d,.]*\d?\s?(?:%|percent|per cent|t"
    r"housand|million|billion|trillion|bn|m\b)?(?:\s[a-z²]{1,12})?)"
)
_MADE = (
    r"(?:reported|recorded|posted|generated|had|has|have|earned|achieved|made|booked|registere"
    r"d|delivered|listed|counts|counted|operates|operated|runs|serves|maintains|owns)"
)
_ALLOWED_BEFORE = frozenset(
    "its the a an total annual overall their his her our full net reported and with of had has have reported recorded posted "
    "generated achieved earned company group firm consolidated global worldwide for by s where while whose fiscal year in that "
    "current latest".split()
)
_PLACED = {
    "§headquarters": r"(?:headquartered|based|head office is|headquarters (?:is|are)|head office|main office|se"
    r"at is)\s*(?:located\s+)?(?:in|at)\s+(?P<value>[A-Z][\w.'’-]*(?:,?\s+[A-Z][\w.'’-]*)*)",
    "§founded": r"(?:founded|established|incorporated|set up|created|formed|in business since|started)\s*("
    r"?:in|on|back in)?\s*(?P<value>(?:\d{1,2}\s+)?(?:[A-Z][a-z]+\s+)?(?:\d{1,2},\s+)?(?:1[5-9"
    r"]|20)\d\d)",
    "§employees": r"(?:employ(?:s|ed|ing)?|workforce of|staff of|team of|headcount of)\s+(?:about|approximat"
    r"ely|around|some|roughly|a total of|nearly)?\s*(?P<value>\d[\d,.]*\s?(?:thousand|million)"
    r"?)(?=\s+(?:people|staff|workers|employees|persons)|[,.;]|\s)",
    "§sector": r"(?:operates|active|business|company|firm|player|works|engaged|specialises|specializes)\s"
    r"+in\s+the\s+(?P<value>[A-Za-z][\w &-]*?)\s+(?:sector|industry|business|field)",
    "§chief": r"(?:chief executive(?: officer)?|CEO|managing director)\s*(?:is|,|was)?\s+(?P<value>[A-Z]"
    r"[\w.'’-]*(?:\s+[A-Z][\w.'’-]*){1,3})",
}
_LED = re.compile(
    r"(?P<value>[A-Z][\w.'’-]*(?:\s+[A-Z][\w.'’-]*){1,3})\s+(?:is|serves as|was appointed|has "
    r"been)\s+(?:the\s+|its\s+)?(?:company's\s+)?(?:chief executive|CEO|managing director)"
)
_LINK_ZH = (
    r"(?:[^，。；、\d]{0,4}?)(?:为|是|达到|达|约为|约|共有|共|有|合计|总计|：|:|增长至|增至|升至"
    r"|降至|下降至|实现)*\s*(?:人民币|约|大约)?\s*"
)
_VALUE_ZH = (
    r"(?P<value>[-−]?(?:\d[\d,.]*|[零一二两三四五六七八九十百千]{2,})\s*(?:万亿|百万|千万|亿|万|千)?\s*(?:美元|欧元|港元|人民"
    r"币|元|人|名|家|个|公里|平方公里|%|％|岁|年)?)"
)
_PLACED_ZH = {
    "§headquarters": r"总部(?:位于|设在|设于|在|地点为|地处)(?P<value>[^，。；、\s]{2,12})",
    "§founded": r"(?:(?:成立|创立|创建|创办|设立)(?:于|时间为)?\s*(?P<value>\d{4}年(?:\d{1,2}月(?:\d{1,2}日)?)?)|(?:于|在)?(?"
    r"P<value2>\d{4}年(?:\d{1,2}月(?:\d{1,2}日)?)?)(?:成立|创立|创建|创办|设立))",
    "§employees": r"(?:员工|雇员|职工)(?:总数|人数|数)?(?:为|约|共|达|有|约为|共有)?"
    r"\s*(?P<value>\d[\d,.]*万?)\s*(?:余)?[人名]|(?:拥有"
    r"|雇佣|雇用|共有|有)(?:约)?\s*(?P<value2>\d[\d,.]*万?)\s*[名位]?(?:员工|雇员|职工)",
    "§sector": r"(?:属于|从事|所属行业为|所处行业为|深耕|专注于)(?P<value>[^，。；、\s]{2,10}?)(?:行业|领域|产业|业务)",
    "§chief": r"(?:首席执行官|总裁|总经理)(?:为|是|：)?(?P<value>[\u4e00-\u9fff]{2,4})(?=[，。；、]|$)",
}


_OTHERS = re.compile(
    r"\b(?:by comparison|by contrast|in comparison|unlike|not covered here|is said to|rumou?re"
    r"d|reportedly|allegedly|would|could|expects?|expected|forecasts?|target(?:s|ed)?|plans?|a"
    r"ims?|guidance|previously|formerly|no longer)\b"
    r"|相比之下|据称|据传|传闻|预计|预期|计划|目标|曾经|此前|以往",
    re.IGNORECASE,
)


def said(
    text: str, column: Column, *, labels: Sequence[str], asked: frozenset[str], entity: str, lines: frozenset[str] = frozenset()
) -> ReportedCell | None:
    """The cell of the first sentence that plainly tells the column's value; None where none does.

    A sentence that names other years than those asked for, or a label that more words narrow (“cloud revenue”), is not taken.
    `lines` are no sentences: they were read as labelled values.
    """
    told = frozenset(
        token for label in labels for token in tokens(label) if token not in wordings().weak and token not in years(label)
    )
    if not told or len(text) > 400_000:
        return None
    spelled = _spellings(labels, told)
    for start, end in sentence_spans(text):
        sentence = text[start:end].strip()
        if not 8 <= len(sentence) <= 600 or "|" in sentence or "\n" in sentence:
            continue
        if asked and years(sentence) and not years(sentence) & asked:
            continue
        if told - set(tokens(sentence)) or _OTHERS.search(sentence):
            continue
        chinese = any(is_cjk(char) for char in sentence)
        raw = _plainly(sentence, column, spelled, asked=asked, entity=entity, chinese=chinese)
        if (
            raw is None
            and sentence not in lines
            and column.type in ("number", "date", "text")
            and not (asked and not years(sentence))
        ):
            raw = (
                _of_chinese(sentence, column, told, spelled)
                if chinese
                else _of_english(sentence, column, told, spelled, entity)
            )
        if raw is not None and not nothing(raw):
            return ReportedCell(column=column.name, value=raw, quote=sentence)
    return None


def _spellings(labels: Sequence[str], told: frozenset[str]) -> list[str]:
    """The labels and the other wordings of what they mean, longest first."""
    found = {re.sub(r"\s*[（(][^()（）]*[)）]", "", re.sub(r"\b(?:19|20)\d\d\b", "", label)).strip(" -–") for label in labels}
    found |= {label.replace(" - ", " ") for label in found}
    if len(told) == 1:
        group = next(iter(told))
        known = wordings()
        found |= {phrase for phrase, name in known.chinese if name == group}
        found |= {" ".join(run) for run, name in known.runs.items() if name == group}
    return sorted((spelling for spelling in found if spelling), key=lambda spelling: (-len(spelling), spelling))


_TOLD = (
    r"(?:(?:in|for|during|by) (?:the )?(?:fiscal |financial )?(?:year )?(?:fy ?)?(?P<year>(?:1"
    r"9|20)\d\d),? )?(?:the )?(?:{labels})"
    r"(?: (?:of|at|for) (?P<of>[^,;]{{2,60}}?))?(?:,? (?:in|for) (?:the )?(?:fiscal |financial"
    r" )?(?:year )?(?:fy ?)?(?P<later>(?:19|20)\d\d))?"
    r" (?:was|is|are|were|stood at|stands at|reached|amounted to|came to|totall?ed|includes?|i"
    r"ncluded) (?:about |approximately |around )?(?P<value>[^;]{{1,160}}?)"
    r"(?: (?:in|for) (?:the )?(?:fiscal |financial )?(?:year )?(?P<last>(?:19|20)\d\d))?[.]?$"
)
_TOLD_ZH = (
    r"(?:(?P<year>(?:19|20)\d\d)年(?:度)?[，,]?)?(?:(?P<of>[^，。；]{{1,24}}?)的)?(?:(?P<later>(?:19|"
    r"20)\d\d)年(?:度)?(?:的)?)?(?:{labels})(?:在(?P<last>(?:19|20)\d\d)年)?"
    r"(?:为|是|达到|达|约为|共有|有|包括|计|记为|列为)(?P<value>[^。；]{{1,80}}?)。?$"
)


def _plainly(
    sentence: str, column: Column, spelled: Sequence[str], *, asked: frozenset[str], entity: str, chinese: bool
) -> str | None:
    """The value of a sentence that says nothing but “the label of X is V”; None where it says more, or of another."""
    fitting = [spelling for spelling in spelled if spelling.isascii() != chinese]
    labels = "|".join(re.escape(spelling).replace(r"\ ", r"[\s-]+") + ("" if chinese else "(?:s|es)?") for spelling in fitting)
    if not labels:
        return None
    match = re.match((_TOLD_ZH if chinese else _TOLD).format(labels=labels), sentence, re.IGNORECASE)
    if match is None:
        return None
    groups = match.groupdict()
    told = {year for key in ("year", "later", "last") if (year := groups.get(key))}
    if (asked and not told & asked) or (told and not asked):
        return None
    if (of := groups.get("of")) and not _alike(of, entity):
        return None
    value = match["value"].strip(" “”\"'")
    if column.type in ("text", "list", "boolean"):
        doubtful = len(value) > 160 or re.search(r"\b(?:not|which|although|because|but)\b|不详|未知", value)
        return None if doubtful else value
    return _fitting(value, column)


def _alike(one: str, other: str) -> bool:
    """Whether a sentence's subject can be the document's: “it”, “the company”, or words of the same name."""
    if re.match(r"(?:the|this|our|its)\s+[a-z]+$|it$|该|本", one):
        return True
    if any(is_cjk(char) for char in one + other):
        shared = max(
            (
                size
                for size in range(1, min(len(one), len(other)) + 1)
                for at in range(len(one) - size + 1)
                if one[at : at + size] in other
            ),
            default=0,
        )
        return shared >= 2
    names = [
        {
            word.lower()
            for word in re.findall(r"\w{2,}", name)
            if word.lower() not in ("the", "of", "and", "republic", "company", "inc", "ltd")
        }
        for name in (one, other)
    ]
    return bool(names[0] & names[1]) or not names[0]


def _of_english(sentence: str, column: Column, told: frozenset[str], spelled: Sequence[str], entity: str) -> str | None:
    only = next(iter(told)) if len(told) == 1 else ""
    if only in _PLACED and (match := re.search(_PLACED[only], sentence)):
        return _fitting(match["value"].strip(" ,."), column)
    if only == "§chief" and (match := _LED.search(sentence)):
        return _fitting(match["value"], column)
    if column.type not in ("number", "date"):
        return None
    alternatives = "|".join(
        re.escape(spelling).replace(r"\ ", r"[\s-]+") + "(?:s|es)?" for spelling in spelled if spelling.isascii()
    )
    if not alternatives:
        return None
    beside = re.search(
        rf"(?P<before>(?:\b[\w&'’-]+\s+)?)\b(?:{alternatives})\b(?:\s+(?:for|in)\s+(?:the\s+)?(?:fi"
        r"scal\s+|financial\s+)?(?:year\s+)?(?:fy\s*)?(?:\d{4}|the (?:year|period))(?:\s+ended[^"
        rf",]*)?)?{_LINK}{_VALUE}",
        sentence,
        re.IGNORECASE,
    ) or re.search(
        rf"\b{_MADE}\s+(?:about|approximately|around|some|a total of|roughly)?\s*{_VALUE}\s+(?:in|o"
        rf"f|as)?\s*(?P<before>(?:(?:annual|total|net)\s+)?)(?:{alternatives})\b",
        sentence,
        re.IGNORECASE,
    )
    if beside is None:
        return None
    before = beside["before"].strip().lower().replace("’", "'").removesuffix("'s")
    names = {word.lower() for word in re.findall(r"\w+", entity)}
    if (
        before
        and before not in _ALLOWED_BEFORE
        and before not in names
        and not re.search(r"['’]s?$", beside["before"].strip())
        and not years(before)
    ):
        return None
    return _fitting(beside["value"], column)


def _of_chinese(sentence: str, column: Column, told: frozenset[str], spelled: Sequence[str]) -> str | None:
    only = next(iter(told)) if len(told) == 1 else ""
    if only in _PLACED_ZH and (match := re.search(_PLACED_ZH[only], sentence)):
        groups = match.groupdict()
        return _fitting((groups.get("value") or groups.get("value2") or "").strip(), column)
    if column.type not in ("number", "date"):
        return None
    alternatives = "|".join(re.escape(spelling) for spelling in spelled if not spelling.isascii())
    match = re.search(rf"(?:{alternatives}){_LINK_ZH}{_VALUE_ZH}", sentence) if alternatives else None
    return _fitting(match["value"], column) if match else None


def _fitting(raw: str, column: Column) -> str | None:
    """The words, where they can be the column's value."""
    if column.type == "number":
        figure = figure_of(raw, unit=column.unit)
        return (
            figure
            if figure is not None and ("%" in (unit_beside(figure), column.unit)) <= (unit_beside(figure) == column.unit)
            else None
        )
    if column.type == "date":
        return raw if looks_dated(raw) or years(raw) else None
    return raw or None
