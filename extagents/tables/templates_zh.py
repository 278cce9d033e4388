"""What a Chinese question asks of a table: the operation, the column's words, the conditions. Nothing is guessed."""

from __future__ import annotations

import re
from dataclasses import replace

from extagents.tables.templates_ask import Ask, Condition, Operation, Relation
from extagents.tables.templates_zh_each import MEASURE as _MEASURE
from extagents.tables.templates_zh_each import each, in_order

_NUMERALS = {char: value for value, char in enumerate("零一二三四五六七八九十")} | {"两": 2, "几": 1}
_COUNT = r"(?:\d{1,3}|[一二两三四五六七八九十])"
_AMOUNT = (
    r"[$€£¥￥]?[-−]?(?:\d(?:[\d,，]*\d)?+(?:\.\d+)?+|[一二两三四五六七八九十百千]+)\s*(?:%|％)?(?:万亿|百万|千万|亿|万"
    r"|千)?(?:美元|欧元|人民币|元|港元|英镑|日元|年\d{1,2}月\d{1,2}日|年\d{1,2}月|平方公里|平方千米|公里|千米|米|公斤|吨|岁|年|人|名员工"
    r"|名|家|个|USD|CNY|EUR|[^\W\d_]{1,3}?)?"
)
_RELATIONS: tuple[tuple[Relation, str], ...] = (
    ("at_least", r"不低于|不少于|不小于|至少(?:为|有|达到?)?|大于等于|达到"),
    ("at_most", r"不超过|不高于|不多于|不大于|至多(?:为|有)?|最多(?:为|有)?|小于等于"),
    ("above", r"超过了?|高于|大于|多于|超出|长于|晚于|在(?=[\d一二三四五六七八九十]\S*(?:之后|以后))"),
    ("below", r"低于|小于|少于|不足|不到|短于|早于|未达到?|在(?=[\d一二三四五六七八九十]\S*(?:之前|以前|前))"),
)
_THRESHOLD = re.compile(
    r"(?P<phrase>[^，,。；、且并“”\x00]*?)(?:是|为|在)?(?:"
    + "|".join(f"(?P<{relation}>{words})" for relation, words in _RELATIONS)
    + rf")\s*(?P<amount>{_AMOUNT})(?:之后|以后|之前|以前|前|后)?(?P<end>的|，|,|。|且|并|$|有|\x00)"
)
_POSTFIX = re.compile(
    rf"(?P<phrase>[^，,。；、且并“”\x00]*?)(?:是|为|在|于|达到?)?\s*(?P<amount>{_AMOUNT})(?P<way>及?以上|及?以下|"
    r"之后|以后|之前|以前|前|后)(?P<verb>成立|创立|创建|创办|上市|出生|建成|发布|注册)?(?P<end>的|，|,|。|且|并|$|有|\x00)"
)
_BETWEEN = re.compile(
    rf"(?P<phrase>[^，,。；、且并“”\x00]*?)(?:是|为)?(?:在|介于)\s*(?P<low>{_AMOUNT})\s*(?:到|至|和|与|—|-|~)\s"
    rf"*(?P<high>{_AMOUNT})(?:之间)?(?P<end>的|，|,|。|且|并|$|有|\x00)"
)
_QUOTE = r"[“”\"「『《](?P<{0}>[^“”\"」』》]+)[”“\"」』》]"
_EXACT = re.compile(
    rf"(?:{_QUOTE.format('label')}|(?P<phrase>[^，,。；、“”\x00]+?))(?:一?栏|一?项|字段|条目)?(?P<not>不)?(?"
    rf":恰好|正好|完全|刚好)?(?:是|为|等于|属于|写着)(?:恰好|正好)?\s*{_QUOTE.format('value')}"
)
_IS = re.compile(
    r"(?P<phrase>[^，,。；、且并的“”\x00]{1,10}?)(?P<not>不)?(?:为|是)(?P<value>[^，,。；且并的“”\x00]{1,16}?)(?P<end>的|，|,|。|且|并|$|\x00)"
)
_CONTAINS = re.compile(
    r"(?P<phrase>[^，,。；“”\x00]+?)(?:中|里|名单|列表)?(?:都)?(?P<not>不|没有|未)?(?:包括|包含|含有|列有|列出|提到|涵盖|("
    rf"?<![所含没])有)了?\s*(?:{_QUOTE.format('value')}|(?P<plain>[^，,。；的且“”\x00]+))(?P<end>的|，|,|。|"
    r"且|并|$|\x00)"
)
_AMONG = re.compile(
    r"(?P<not>没有)?把(?P<value>[^，,。；“”\x00]+?)(?:列为|列入|作为)(?:其|它们?的|他们的)?(?P<phrase>[^，,。；之“”\x"
    r"00]+?)(?:之一|之中)?(?P<end>的|，|,|。|$|\x00)"
)
_FOUNDED = re.compile(
    r"(?P<verb>成立|创立|创建|创办|出生|上市|注册|建成)于\s*(?P<amount>\d{4}年?)(?P<way>之前|以前|前|之后|以后|后)?(?P<e"
    r"nd>的|，|,|。|且|并|$|\x00)"
)
_IN_YEAR = re.compile(
    r"(?:在|于)?(?P<amount>\d{4}年)(?P<verb>成立|创立|创建|创办|出生|上市|注册|建成)(?P<end>的|，|,|。|且|并|$|\x00)"
)
_PLACED = re.compile(
    r"(?P<phrase>总部(?:位于|设在|在)|位于|地处|来自|属于|从事|所在(?:国家|地区|城市|行业)(?:为|是)|注册(?:地在|于)|行业(?:为|是|属于)"
    r"|类型(?:为|是)|地区(?:为|是)|国家(?:为|是))(?P<value>[^，,。；的且并有“”\x00]+?)(?P<noun>行业|地区|领域|板块|产业|大洲|"
    r"省|市)?(?P<end>的|，|,|。|且|并|$|有|\x00)"
)
_NOUNED = re.compile(
    r"(?P<value>[^，,。；的“”\x00所各每全]{1,12}?)(?P<noun>行业|领域|板块|产业|地区)(?:的|中|里|内)?(?=公司|企业|机构|国家|档"
    r"案|文件|资料|$|，|,|\x00)"
)
_LACKING = re.compile(
    r"(?:没有|未披露|未给出|未提供|未列出|不含)(?P<phrase>[^，,。；的\x00]+?)(?:数据|数字|信息|的数值)?(?P<end>的|，|,|。|$|\x00)"
)
_TOLD = re.compile(
    r"(?:给出了?|披露了?|提供了?|列出了?|报告了?)(?P<phrase>[^，,。；的\x00]+?)(?:数据|数字|信息|的数值)?(?P<end>的|，|,|。|$|\x00)"
)
_MOST = r"最高|最大|最多|最长|最晚|最新|最近|最重|最深|最快|最贵|最强|最年轻"
_LEAST = r"最低|最小|最少|最短|最早|最轻|最浅|最慢|最便宜|最老|最古老|最久"
_SAYING = re.compile(
    r"(?:[。？?；，,]|^)\s*(?:如果?没有|若无|如无|没有的话|请(?:用|以)?[“\"]?(?:回答|作答)|请从|请按|按[^，。]{0,8}排列|请?保留|下"
    r"降用|减少用|增加用)[^。？?]*(?=[。？?]|$)"
)
_NOTE = re.compile(
    r"(?:[，,。；？?]|^)\s*(?:未给出|没有|缺少)[^，。；]{0,10}的?(?:不计|除外|忽略|略去|不算)[^，。；]*|(?:[，,。；？?]|^)\s*只"
    r"计[^，。；]*|[（(，,。；]?\s*(?:请)?(?:不计|忽略|排除|略去|不考虑|不包括|剔除|只计|仅计|只统计|仅统计|只考虑|不统计)[^，。；）)]*?(?:"
    r"数据|数字|数值|档案|公司|条目|文件|的|项)[^，。；）)]*[）)]?"
)
_DIGITS = re.compile(
    rf"[（(，,]?\s*(?:请)?(?:结果)?(?:保留|精确到|四舍五入到)(?:小数点后)?\s*(?P<n>{_COUNT})\s*(?:位)?(?:小数|位)?[）)]?"
)
_UNIT = re.compile(r"[（(](?!按绝对值)(?:以|单位[：:]?)?(?P<unit>[^（）()]{1,10}?)(?:为单位|计)?[）)]")
_COLLECTION = re.compile(
    r"(?:在)?(?:这些|本|该|此|上述|所给)(?:文件|文档|资料|语料|材料|集合|档案|数据集)(?:集|库)?(?:中|里|内)?(?:的)?[，,]?"
)
_ENTITY = r"(?P<entity>[^，,。；的“”]{1,12}?)"


def count_of(word: str) -> int:
    """A count in digits or as one numeral; 1 where it is neither."""
    return int(word) if word.isdigit() else _NUMERALS.get(word, 1)


def parse(question: str) -> Ask | None:
    """The question taken apart; None where its form is not known."""
    text = re.sub(r"\s+", " ", question).strip().rstrip("？?。！! ")
    digits = None
    if match := _DIGITS.search(text):
        digits = count_of(match["n"])
        text = text[: match.start()] + text[match.end() :]
    if ordered := in_order(text):
        return replace(ordered, digits=digits)
    text = _NOTE.sub("", _SAYING.sub("", text))
    text = _COLLECTION.sub("", text)
    unit = ""
    if (match := _UNIT.search(text)) and not re.search(r"是|于", match["unit"]):
        unit = match["unit"]
        text = text[: match.start()] + text[match.end() :]
    text = re.sub(r"^(?:请问|请)[，,]?", "", text.strip("，, 。？?"))
    text = re.sub(r"[（(]按绝对值[)）]", "", text)
    for form in (each, _changed, _compared, _shared, _counted, _computed, _ranked, _listed, _looked_up):
        found = form(text)
        if found is not None:
            return replace(found, digits=digits, unit=unit)
    return None


def conditions(text: str) -> tuple[tuple[Condition, ...], str]:
    """The conditions that a phrase makes, and what is left of it."""
    found: list[tuple[int, Condition]] = []

    def taken(match: re.Match[str], phrase: str, relation: Relation, *values: str) -> None:
        nonlocal text
        found.append((match.start(), Condition(_bare(phrase), relation, values)))
        text = text[: match.start()] + "\x00" + text[match.end() :]

    while match := _DIFFERS.search(text):
        taken(match, match["one"] + match["phrase"], "differs", match["other"] + match["phrase"])
    while match := _EXACT.search(text):
        taken(match, match["label"] or match["phrase"], "unequal" if match["not"] else "equal", match["value"])
    while match := _AMONG.search(text):
        taken(match, match["phrase"], "lacks" if match["not"] else "contains", _value(match["value"]))
    while match := _BETWEEN.search(text):
        taken(match, match["phrase"], "between", match["low"], match["high"])
    while match := _FOUNDED.search(text):
        way = match["way"] or ""
        taken(
            match, match["verb"], "below" if "前" in way else "above" if "后" in way else "equal", match["amount"].rstrip("年")
        )
    while match := _IN_YEAR.search(text):
        taken(match, match["verb"], "equal", match["amount"].rstrip("年"))
    while match := _POSTFIX.search(text):
        way = match["way"]
        relation: Relation = (
            "at_least" if way.endswith("上") else "at_most" if way.endswith("下") else "below" if "前" in way else "above"
        )
        amount = match["amount"]
        taken(
            match,
            match["phrase"] + (match["verb"] or ""),
            relation,
            amount.rstrip("年") if "前" in way or "后" in way else amount,
        )
    while match := _THRESHOLD.search(text):
        relation = next(relation for relation, _ in _RELATIONS if match[relation])
        taken(match, match["phrase"], relation, re.sub(r"(?<=^\d{4})年$", "", match["amount"]))
    while match := _PLACED.search(text):
        word = match["noun"] or re.sub(r"(?:位于|设在|来自|属于|为|是|在|于)", "", match["phrase"])
        if word:
            taken(match, word, "like", match["value"])
        elif match["phrase"] == "属于":
            taken(match, match["value"], "is")
        else:
            taken(match, "", "is", match["value"])
    while match := _NOUNED.search(text):
        taken(match, match["noun"], "like", match["value"])
    while match := _IS.search(text):
        taken(match, match["phrase"], "unlike" if match["not"] else "like", match["value"])
    while match := _LACKING.search(text):
        taken(match, match["phrase"], "untold")
    while match := _CONTAINS.search(text):
        taken(match, match["phrase"], "lacks" if match["not"] else "contains", _value(match["value"] or match["plain"]))
    while match := _TOLD.search(text):
        taken(match, match["phrase"], "told")
    return tuple(condition for _, condition in sorted(found, key=lambda pair: pair[0])), text.replace("\x00", " ").strip()


def _bare(text: str) -> str:
    text = text.replace("\x00", "").strip(' “”"，,。的')
    shorter = re.sub(
        r"^(?:在|其|且|并且|并|同时|而且|有|哪些|哪家|所有|全部|各)?(?:(?:公司|企业|国家|档案|机构)(?:中|里|当中)?(?:，|,|的)?)?",
        "",
        text,
    )
    return shorter.strip(" 的，,") or text


def _value(text: str) -> str:
    return text.strip(' “”"，,。的')


def _entity(text: str) -> str:
    text = re.sub(r"全部名称|名称$|且|并且", " ", text)
    text = re.sub(
        r"(?:请)?(?:列出|找出|给出|在|所有|全部|这些|那些|各|每|哪些|哪几|哪|一共|总共|共|有|是|的|中|里|当中|之中|都|各家|(?<!国)家|个|，|,)",
        " ",
        text,
    )
    return "".join(text.split())


_SCOPED = re.compile(r"^(?:在|从)?(?P<scope>[^，,]+?)(?:中|里|当中|之中|之间)[，,](?P<rest>.+)$")


def _scope(text: str) -> tuple[tuple[Condition, ...], str, str]:
    match = _SCOPED.match(text)
    if match is None:
        return (), "", text
    found, left = conditions(match["scope"])
    claim, _, noun = left.strip(" 的，,").rpartition("的")
    if claim and noun and _entity(claim):
        return (*found, Condition(_bare(claim), "is")), _entity(noun), match["rest"]
    return found, _entity(left), match["rest"]


def _counted(text: str) -> Ask | None:
    scope, entity, rest = _scope(text)
    if not re.search(r"有?(?:多少|几)\s*" + _MEASURE + r"|(?:数量|个数|家数|数目)(?:是多少|为多少|有多少)", rest):
        return None
    if kinds := re.match(r"^(?:一共|总共|共)?有(?:多少|几)种(?:不同的)?(?P<phrase>[^，,]+)$", rest):
        return Ask("count", groups=_bare(kinds["phrase"]), scope=scope)
    if (
        (
            (named := re.match(r"^(?P<name>[^，,]+?)有多少(?:名|个|家|位)?(?P<phrase>[^，,的]+)$", rest))
            and not conditions(rest)[0]
            and not scope
        )
        and not re.search(r"所有|这些|公司$|企业$|档案$|国家$|一共|总共|^共", named["name"])
        and named["name"].strip()
    ):
        return Ask("value", phrase=_bare(named["phrase"]), names=(_bare(named["name"]),))
    body = re.sub(
        r"(?:一共|总共|共)?有?(?:多少|几)\s*" + _MEASURE + r"|的?(?:数量|个数|家数|数目)(?:是多少|为多少|有多少)",
        "\x00",
        rest,
        count=1,
    )
    body = body.replace("\x00", "，") if not body.startswith("\x00") and not body.endswith("\x00") else body.replace("\x00", "")
    found, left = conditions(body)
    return Ask("count", entity=entity or _entity(left), scope=(*scope, *found))


def _shared(text: str) -> Ask | None:
    scope, entity, rest = _scope(text)
    match = re.match(
        r"^(?P<body>.+?)(?:的)?(?:公司|企业|国家|档案|机构)?(?:所)?(?:占(?:全部|所有|总数|总体)?[^，,]{0,8}?的?(?:百分比|比例|"
        r"比重|百分之几|百分之多少|多少)|的?(?:百分比|比例|占比))(?:是|为)?(?:多少|百分之几)?$",
        rest,
    )
    if match is None:
        return None
    found, left = conditions(match["body"])
    if not found:
        return None
    return Ask("percent", entity=entity or _entity(left), scope=scope or found[:-1], tested=found if scope else found[-1:])


def _computed(text: str) -> Ask | None:
    scope, entity, rest = _scope(text)
    match = re.match(
        r"^(?P<body>.+?)的?(?P<word>总和|合计|总计|之和|总额|加总|平均值|均值|平均数|平均|中位数|中值)(?:是|为|有)?(?:多少|几何)?$",
        rest,
    ) or re.match(r"^(?P<body>.+?)的?(?P<word>平均|总|合计|中位)(?P<after>[^，,]+?)(?:是|为|有)?(?:多少|几何)$", rest)
    if match is None:
        return None
    word = match["word"]
    operation: Operation = "average" if "均" in word else "median" if "中" in word else "sum"
    body = match["body"] + ("的" + match["after"] if "after" in match.re.groupindex else "")
    found, left = conditions(body)
    parts = [part for part in re.split(r"的|，|,", left.replace(" ", "的")) if part]
    if not parts:
        return None
    return Ask(operation, entity=entity or _entity("".join(parts[:-1])), phrase=_bare(parts[-1]), scope=(*scope, *found))


def _ranked(text: str) -> Ask | None:
    scope, entity, rest = _scope(text)
    found = re.search(
        rf"(?P<more>{_MOST})|(?P<less>{_LEAST})|(?:排名?)?前(?=(?:\d+|[一二两三四五六七八九十]+)\s*{_MEASURE})|排名?前(?=\d|[一二三四五六七八九十])",
        rest,
    )
    if found is None or (found.start() > 0 and rest[found.start() - 1] in "、"):
        return None
    operation: Operation = "least" if found["less"] else "most"
    before, after = rest[: found.start()], rest[found.end() :]
    most = 1
    if top := re.search(rf"(?:前|的)\s*(?P<n>{_COUNT})\s*{_MEASURE}|^\s*(?P<m>{_COUNT})\s*{_MEASURE}|前(?P<o>{_COUNT})", after):
        most = count_of(top["n"] or top["m"] or top["o"])
    elif top := re.search(rf"前(?P<n>{_COUNT})\s*{_MEASURE}?|哪(?P<m>[两三四五六七八九十\d]+){_MEASURE}", before):
        most = count_of(top["n"] or top["m"])
        before = before[: top.start()] + before[top.end() :]
    before = re.sub(r"^(?:请)?(?:列出|找出|给出|说出)", "", before)
    before = re.sub(rf"(?:是)?哪一?{_MEASURE}", "", before)
    conditioned, left = conditions(before)
    noun = re.sub(rf"^.*?{_MEASURE}", "", after) if re.search(_MEASURE, after) else after
    noun = re.sub(r"是哪.*$|是谁.*$|，.*$|,.*$|分别.*$|有哪些.*$|按.*$|的|是什么.*$", "", noun)
    left = left.replace("最", "").strip()
    parts = [part for part in re.split(r"的|，|,| ", left) if part]
    age = found.group() in ("最老", "最古老", "最久", "最年轻", "最早", "最晚", "最新", "最近")
    if not parts:
        verb = re.match(r"(?:成立|创立|创建|创办|上市|出生|发布)", after)
        phrase = verb.group() if verb else ""
    else:
        phrase = parts[-1]
        phrase = re.sub(r"^(?:公司|企业|国家|档案|机构)", "", phrase) or phrase
    if age and not phrase.strip():
        phrase = "成立"
    if not phrase or (age and re.fullmatch(r"公司|企业", phrase)):
        verb = re.match(r"(?:成立|创立|创建|创办|上市|出生|发布)", after)
        if verb is None and found.group() not in ("最老", "最古老", "最年轻", "最久"):
            return None
        phrase = verb.group() if verb else "成立"
    said = entity or _entity("".join(parts[:-1])) or _entity(re.sub(r"^(?:成立|创立|创建|创办|上市|出生|发布)", "", noun))
    return Ask(operation, entity=said, phrase=phrase, scope=(*scope, *conditioned), most=most)


def _compared(text: str) -> Ask | None:
    higher = r"(?P<way>更?(?:高|大|多|长|晚|新)|更?(?:低|小|少|短|早))"
    if match := re.match(
        r"^(?P<a>[^，,]+?)(?:(?<!共)和|与|跟|同)(?P<b>[^，,]+?)(?:相比|之间|中|两者|二者|比较)*[，,]?\s*(?:哪(?:一?(?:家"
        rf"|个|位|国))?|谁)(?:公司|企业|国家)?的?(?P<phrase>[^，,]+?)(?:更|较|比较)?{higher}$",
        text,
    ) or re.match(
        rf"^(?:哪(?:一?(?:家|个|位|国))?|谁)(?:公司|企业|国家)?的?(?P<phrase>[^，,]+?)(?:更|较){higher}[，,：:]\s*(?P<"
        r"a>[^，,]+?)(?:还是|或|和)(?P<b>[^，,]+)$",
        text,
    ):
        way = match["way"]
        return Ask(
            "lower" if way[-1] in "低小少短早" else "higher",
            phrase=_bare(match["phrase"]),
            names=(_value(match["a"]), _value(match["b"])),
        )
    if match := re.match(
        r"^(?P<a>[^，,]+?)(?:(?<!共)和|与|跟)(?P<b>[^，,的]+?)的(?P<phrase>[^，,]+?)(?:相差|差距|之差|差额|的差)(?:是|"
        r"为)?(?:多少)?.*$",
        text,
    ):
        return Ask("difference", phrase=_bare(match["phrase"]), names=(_value(match["a"]), _value(match["b"])))
    if match := re.match(
        r"^(?P<a>[^，,]+?)的(?P<phrase>[^，,]+?)比(?P<b>[^，,的]+?)(?:的(?P=phrase))?(?:高|多|大|长|低|少|小)(?:"
        r"多少|出多少|了多少)$",
        text,
    ):
        return Ask("difference", phrase=_bare(match["phrase"]), names=(_value(match["a"]), _value(match["b"])))
    if match := re.match(
        r"^(?P<a>[^，,]+?)的(?P<phrase>[^，,]+?)(?:是否|是不是)?(?P<way>高于|大于|多于|低于|小于|少于)(?P<b>[^，,的\d]+?"
        r")(?:的(?P=phrase))?吗?$",
        text,
    ):
        below = match["way"][0] in "低小少"
        return Ask(
            "any",
            phrase=_bare(match["phrase"]),
            names=(_value(match["a"]), _value(match["b"])),
            groups="below" if below else "above",
        )
    return None


_CHANGE = re.compile(
    r"^(?P<name>[^，,的]+?)的(?P<phrase>[^，,]+?)(?:从|由)(?P<one>(?:19|20)\d\d)年?(?:到|至)(?P<other>("
    r"?:19|20)\d\d)年?(?:间)?(?:变化|增加|减少|增长|下降|上升|提高)了?(?:多少|几何).*$"
)
_GROWN = re.compile(
    r"^(?P<phrase>[^，,]+?)(?:从|由)(?P<one>(?:19|20)\d\d)年?(?:到|至)(?P<other>(?:19|20)\d\d)年?(?:间"
    r")?(?P<way>增加|增长|上升|提高|变化|减少|下降|降低)(?:得)?最(?:多|大|快)的?(?:是)?哪.*$"
)
_OFTEN = re.compile(r"^(?:哪(?:一?种|一?个|一?类|一)|什么)(?P<group>[^，,]+?)(?:出现(?:得|的次数)?)?最(?P<way>多|常见|少)$")
_DIFFERS = re.compile(
    r"(?P<one>(?:19|20)\d\d年)(?:的)?(?P<phrase>[^，,。的\x00]+?)与(?P<other>(?:19|20)\d\d年)(?:的)?(?"
    r":不同|不一样|不是同一[个人位])(?P<end>的|，|,|。|$|\x00)"
)


def _changed(text: str) -> Ask | None:
    """What changed from one year to another, and what occurs most often."""
    if match := _CHANGE.match(text):
        phrase = _bare(match["phrase"])
        return Ask(
            "change", phrase=f"{match['other']}年{phrase}", against=f"{match['one']}年{phrase}", names=(_value(match["name"]),)
        )
    scope, entity, rest = _scope(text)
    if match := _GROWN.match(rest):
        operation: Operation = "least" if match["way"] in ("减少", "下降", "降低") else "most"
        phrase = _bare(match["phrase"])
        return Ask(
            operation, entity=entity, phrase=f"{match['other']}年{phrase}", against=f"{match['one']}年{phrase}", scope=scope
        )
    if match := _OFTEN.match(rest):
        return Ask("least" if match["way"] == "少" else "most", entity=entity, groups=_bare(match["group"]), scope=scope)
    return None


def _listed(text: str) -> Ask | None:
    scope, entity, rest = _scope(text)
    if re.match(r"^(?:是否有|有没有|是否存在)", rest):
        found, left = conditions(re.sub(r"^(?:是否有|有没有|是否存在)(?:任何)?", "", rest).rstrip("吗"))
        return Ask("any", entity=entity or _entity(left), scope=(*scope, *found)) if found else None
    if not re.search(r"哪些|哪几|^(?:请)?(?:列出|找出|列举|给出)|有哪些|是哪", rest):
        return None
    body = re.sub(
        r"^(?:请)?(?:列出|找出|列举|给出)(?:所有|全部)?|(?:有|是|分别是)?哪(?:些|几[家个])$|^哪(?:些|几[家个])", "", rest
    )
    body = re.sub(
        r"^(?P<noun>公司|企业|国家|档案|机构|[^，,的]{1,8}?(?:公司|企业|档案|机构|国家))的?(?=[^，,]*(?:超|高于|低于|大于|小于|不|包|"
        r"含|有|位|属|为|是|把|成立|在))",
        r"\g<noun>，",
        body,
    )
    body = re.sub(
        r"^(?P<noun>(?:(?!位于|属于|成立|超|高|低|为|是|有|在)[^，,的]){1,8})的(?=[^，,的]*(?:超过|高于|低于|大于|小于|多于|少于|不[低高少多超]|达到|至少|至多))",
        r"\g<noun>，",
        body,
    )
    found, left = conditions(body)
    every = (*scope, *found)
    return Ask("list", entity=entity or _entity(left), scope=every) if every else None


def _looked_up(text: str) -> Ask | None:
    match = re.match(
        r"^(?P<name>[^，,的]+)的(?P<phrase>[^，,的]+?)(?:是|为|有)?(?:多少|什么|谁|哪里|哪一年|几年|何时|几何)(?:人|年|钱)?$",
        text,
    )
    if match is None:
        return None
    return Ask("value", phrase=_bare(match["phrase"]), names=(_value(match["name"]),))
