"""Chinese questions for what each row has, for each group's figure, and for all rows in an order."""

from __future__ import annotations

import re

from extagents.tables.templates_ask import Ask, Condition, Operation

MEASURE = r"(?:家|个|位|名|所|座|份|篇|款|条|项|只|支|种|艘|部|本|辆|台|件|人)"
_SHOW = r"(?:请)?(?:列出|给出|列举|显示|展示)"
_EACH = rf"(?:各(?:个|家|位|座|台)?|每一?{MEASURE}?)"
_ALL = rf"(?:{_EACH}|所有的?|全部的?|这些)"
_ASKING = r"(?:各|分别|各自)?(?:是|为|有)(?:多少|什么|谁|几何|几|哪里|哪些|哪一?年|何时)(?:人|年|钱|元|家|个)?"
_ORDERED = (
    re.compile(
        r"^(?:请)?按照?(?P<phrase>[^，,]+?)(?:(?P<way>(?:从|由).到.)的?(?:顺序)?(?:，)?(?:给|对|将|把)?|给|对|将|把)(?:所有的?|全部|这些|各)?"
        r"(?P<noun>[^，,的]+?)(?:进行)?(?:排名|排序|排列|排行)(?P<after>.*)$"
    ),
    re.compile(
        r"^(?:请)?按照?(?P<phrase>[^，,]+?)(?P<way>(?:从|由).到.)?的?(?:顺序)?(?:，)?(?:排列|排序|列出|给出|排)(?:出)?(?:所有的?|全部|这些|各)?"
        r"(?P<noun>[^，,的]+)(?P<after>)$"
    ),
    re.compile(
        r"^(?:请)?(?:给|对|将|把)?(?:所有的?|全部|这些|各)?(?P<noun>[^，,的]+?)(?:，)?按照?(?P<phrase>[^，,]+?)(?P<way>(?:从|由).到.)?的?(?:顺序)?"
        r"(?:进行|来)?(?:排名|排序|排列|排行)(?P<after>.*)$"
    ),
)
_UPWARDS = re.compile(r"[从由](?:小到大|低到高|早到晚|少到多|短到长|轻到重)|升序")
_SHOWN = re.compile(rf"^{_SHOW}{_ALL}?(?P<noun>[^，,的]+)的(?P<shown>[^，,的]+)$")
_OF_EACH = re.compile(rf"^{_ALL}(?P<noun>[^，,的]+)的(?P<shown>[^，,的]+?){_ASKING}$")
_LISTED = re.compile(rf"^(?:{_SHOW}(?:所有的?|全部的?)(?P<noun>[^，,的]+)|(?:一共|总共)?有哪些(?P<there>[^，,的]+))$")
_COUNT_EACH = re.compile(
    rf"^{_EACH}(?P<per>[^，,的]+?)(?:里|中)?(?:分别|各|各自)?(?:一共|总共|共)?有(?:多少|几){MEASURE}(?P<noun>[^，,的]+)$"
)
_FIGURE_EACH = re.compile(
    rf"^{_EACH}(?P<per>[^，,的]+)的(?P<noun>[^，,的]+的)?(?P<word>平均|总|中位)(?P<phrase>[^，,的]+?)(?:分别|各)?(?:是|为|有)(?:多少|几何)$"
)
_FIGURE = re.compile(r"^(?P<word>平均|中位)(?P<phrase>[^，,的]+?)(?:是|为|有)(?:多少|几何)$")
_FIGURE_OF = re.compile(
    r"^(?P<phrase>[^，,的所各全]+?)的?(?P<word>总和|合计|总计|之和|平均值|均值|平均数|中位数)(?:是|为|有)(?:多少|几何)$"
)
_TOTAL = re.compile(
    r"^(?:所有|全部|这些|各)的?(?P<noun>[^，,的]+)的(?P<phrase>[^，,的]+?)"
    r"总(?P<tail>[量额数])(?:是|为|有)(?:多少|几何)$"
)
_MOST_ROWS = re.compile(rf"^哪一?{MEASURE}?(?P<group>[^，,的]+?)的(?P<noun>[^，,的]+?)(?:数量)?最(?P<way>[多少])$")
_HELD = re.compile(
    rf"^在?(?P<value>(?!所有|全部|这些|各|每|一共|总共|本|有)[^，,的]{{1,12}}?)(?:里|中|内)?(?:一共|总共|共)?有(?:多少|几){MEASURE}(?P<noun>[^，,的]*)$"
)
_TOLD = re.compile(r"为|是|于|超过|以上|以下|之[前后]|以[前后]|包[括含]|公司$|企业$|国家$")
_PARTS = re.compile(r"、|以及|及其|及|和|与")
_SUMS: dict[str, Operation] = {"平": "average", "均": "average", "中": "median"}


def each(text: str) -> Ask | None:
    """What each row has, a figure for each group, or all rows in an order."""
    for form in (in_order, _figured, _counted, _beside):
        found = form(text)
        if found is not None:
            return found
    return None


def in_order(text: str) -> Ask | None:
    """All rows in the order of a column."""
    for pattern in _ORDERED:
        if (match := pattern.match(text)) and not re.search(r"前[\d一二三四五六七八九十]|最", text):
            upwards = _UPWARDS.search(f"{match['way'] or ''}{match['after']}")
            return Ask("least" if upwards else "most", entity=match["noun"], phrase=match["phrase"], most=0)
    return None


def _figured(text: str) -> Ask | None:
    if match := _FIGURE_EACH.match(text):
        as_column = Ask("list", entity=match["per"], shown=(match["word"] + match["phrase"],))
        noun = (match["noun"] or "").rstrip("的")
        return Ask(
            _SUMS.get(match["word"][0], "sum"), entity=noun, phrase=match["phrase"], per=match["per"], otherwise=as_column
        )
    if match := _TOTAL.match(text):
        return Ask("sum", entity=match["noun"], phrase=match["phrase"] + match["tail"])
    if match := _FIGURE.match(text) or _FIGURE_OF.match(text):
        return Ask(_SUMS.get(match["word"][0], "sum"), phrase=match["phrase"])
    return None


def _counted(text: str) -> Ask | None:
    if match := _COUNT_EACH.match(text):
        as_rows = Ask("count", entity=match["noun"], per=match["per"])
        return Ask("list", entity=match["per"], shown=(match["noun"],), otherwise=as_rows)
    if match := _MOST_ROWS.match(text):
        operation: Operation = "most" if match["way"] == "多" else "least"
        as_groups = Ask(operation, entity=match["noun"], groups=match["group"])
        return Ask(operation, entity=match["group"], phrase=match["noun"], otherwise=as_groups)
    if (match := _HELD.match(text)) and not _TOLD.search(match["value"]):
        held = Ask("count", entity=match["noun"] or "人", scope=(Condition("", "is", (match["value"],)),))
        return Ask("value", phrase=match["noun"], names=(match["value"],), otherwise=held) if match["noun"] else held
    return None


def _beside(text: str) -> Ask | None:
    if match := _SHOWN.match(text) or _OF_EACH.match(text):
        shown = tuple(part for part in _PARTS.split(match["shown"]) if part)
        if re.search(r"平均|总|最|中位|超过|高于|低于|以上|以下|位于|属于|为|是", match["noun"] + match["shown"]) or not shown:
            return None
        return Ask("list", entity=match["noun"], shown=shown)
    if (match := _LISTED.match(text)) and not re.search(r"超|高于|低于|以[上下]|位于|属于|为|是|最|\d", match[0]):
        return Ask("list", entity=match["noun"] or match["there"])
    return None
