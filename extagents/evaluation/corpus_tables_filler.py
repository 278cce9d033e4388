"""Text that says nothing that anybody asks: paragraphs without figures, forecasts, and rivals' figures."""

from __future__ import annotations

import random

from extagents.evaluation.corpus_tables_layouts import Scribe
from extagents.evaluation.corpus_tables_names import Entity
from extagents.evaluation.corpus_tables_values import draw
from extagents.evaluation.corpus_tables_worlds import Slot

_EN = (
    "The committee|The board of reviewers|An earlier circular|The regional office|A working group|The archive|The "
    "correspondent|The supervisory panel|A later memorandum|The secretariat|The local press|One of the observers",
    "described|set out|reviewed|summarised|questioned|repeated|collected|discussed|postponed|defended|recorded|revisited",
    "the procedures for internal review|the history of the premises|the terms of the lease|the remarks of earlier visitors|"
    "the use of outside advisers|the arrangement of the files|the training of new staff|the weather along the route|the "
    "upkeep of the old workshop|the wording of the guidelines|the list of open points|the state of the correspondence",
    "at some length|without reaching a conclusion|in the usual form|after a short recess|as in previous years|in general "
    "terms|for the benefit of newcomers|although few details were given|with reference to older papers|in a separate annex|"
    "before the summer break|to nobody's surprise",
)
_ZH = (
    "委员会|评审小组|早先的通告|地区办事处|工作组|档案室|通讯员|监督小组|后来的备忘录|秘书处|当地报纸|一位观察员",
    "详细|简要|再次|按照惯例|在休会之后|以一般措辞|在附件中|在夏季之前|参照旧文件|为方便新人",
    "介绍了|回顾了|总结了|讨论了|记录了|整理了|重申了|搁置了|说明了|查阅了",
    "内部审查的程序|办公楼的历史|租约的条款|早期来访者的意见|外部顾问的聘用|文件的归档方式|新员工的培训|沿途的天气|旧车间的维护|"
    "指南的措辞|未决事项的清单|往来信件的情况",
)
_BANKS = {"en": tuple(part.split("|") for part in _EN), "zh": tuple(part.split("|") for part in _ZH)}
HEADINGS = {
    "en": ("Background", "Remarks", "Further notes", "Correspondence", "Overview", "Organisation", "Outlook", "Annex"),
    "zh": ("背景", "备注", "补充说明", "往来函件", "概况", "组织", "展望", "附录"),
}


def paragraph(language: str, rng: random.Random) -> str:
    """Four to eight sentences."""
    banks = _BANKS[language]
    pick = rng.random
    count = 4 + int(pick() * 5)
    if language == "zh":
        return "".join("".join(bank[int(pick() * len(bank))] for bank in banks) + "。" for _ in range(count))
    return " ".join(" ".join(bank[int(pick() * len(bank))] for bank in banks) + "." for _ in range(count))


def aside(scribe: Scribe, entity: Entity, rival: str, slot: Slot) -> str:
    """A figure beside the point: what is planned for a later year, or what somebody outside the collection is said to have."""
    value = draw(slot.attribute, scribe.language, scribe.rng)
    raw = scribe.value(slot, value)
    label = slot.attribute.labels[scribe.language][0]
    name = scribe.form(entity)
    if scribe.language == "zh":
        return scribe.rng.choice(
            (
                f"展望未来，{name}计划在2027年使{label}达到{raw}左右。",
                f"相比之下，据称不在本资料之列的{rival}的{label}约为{raw}。",
            )
        )
    return scribe.rng.choice(
        (
            f"Looking ahead, a target of about {raw} is named for the {label} of {name} in 2027.",
            f"By comparison, {rival}, which is not covered here, is said to have a {label} of about {raw}.",
        )
    )
