"""Questions in words, English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from extagents.evaluation.corpus_tables_questions import Condition, Spec
from extagents.evaluation.corpus_tables_values import asked, unit_of
from extagents.evaluation.corpus_tables_worlds import Kind


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one kind in one language."""

    kind: Kind
    language: str

    def condition(self, condition: Condition) -> str:
        label, value = condition.slot.label(self.language), asked(condition.slot.attribute, condition.value, self.language)
        if self.language == "zh":
            words = {"above": "高于", "below": "低于", "is": "为", "has": "包括", "after": "晚于", "earlier": "早于"}
            if condition.operator == "true":
                return condition.slot.attribute.truth["zh"]
            return f"{label}{words[condition.operator]}{value}"
        if condition.operator == "true":
            return f"that {condition.slot.attribute.truth['en']}"
        words = {
            "above": "is above",
            "below": "is below",
            "is": "is",
            "has": "include",
            "after": "is after",
            "earlier": "is before",
        }
        return f"whose {label} {words[condition.operator]} {value}"

    def rows(self, conditions: Sequence[Condition]) -> str:
        told = [self.condition(condition) for condition in conditions]
        if self.language == "zh":
            noun = self.kind.nouns["zh"][0]
            return f"本资料集中{'且'.join(told)}的{noun}" if told else f"本资料集中的{noun}"
        return f"{self.kind.nouns['en'][1]} in this collection{' ' if told else ''}{' and '.join(told)}"

    def question(self, spec: Spec) -> str:
        return self._zh(spec) if self.language == "zh" else self._en(spec)

    def _en(self, spec: Spec) -> str:
        rows, slot = self.rows(spec.conditions), spec.slot
        label = slot.label("en") if slot else ""
        unit = f" (in {slot.unit})" if slot and slot.unit else ""
        leave = " Leave out those that give no figure."
        noun = self.kind.nouns["en"][0]
        match spec.operation:
            case "count":
                return f"How many {rows} are there?"
            case "list":
                return f"List all {rows}. If there is none, say “none”."
            case "argmax" | "argmin":
                most = "highest" if spec.operation == "argmax" else "lowest"
                return f"Among the {rows}, which one has the {most} {label}?{leave}"
            case "top":
                return f"Among the {rows}, name the {spec.k} with the highest {label}, in descending order.{leave}"
            case "sum":
                return f"What is the sum of the {label} over the {rows}{unit}?{leave}"
            case "average":
                return f"What is the average {label} of the {rows}{unit}, rounded to one decimal place?{leave}"
            case "percent":
                base = self.rows(spec.conditions[:-1])
                last = self.condition(spec.conditions[-1])
                asked_of = f"Of the {base}, what percentage are {self.kind.nouns['en'][1]} {last}?"
                return f"{asked_of} Count only those that give the figure; one decimal place."
            case "compare":
                return f"Which has the higher {label}: {spec.names[0]} or {spec.names[1]}?"
            case "difference":
                return f"What is the difference between the {label} of {spec.names[0]} and that of {spec.names[1]}{unit}?"
            case "group":
                return f"Which {label} occurs most often among the {rows}?"
            case "change":
                assert slot is not None
                assert spec.other is not None
                label = slot.attribute.labels["en"][0]
                span = f"from {spec.other.year} to {slot.year}"
                return f"By how much did the {label} of {spec.names[0]} change {span}{unit}? A fall is negative."
            case "grown":
                assert slot is not None
                assert spec.other is not None
                label = slot.attribute.labels["en"][0]
                span = f"from {spec.other.year} to {slot.year}"
                return f"Among the {rows}, in which one did the {label} rise most (in absolute terms) {span}?{leave}"
            case "before":
                assert slot is not None
                post = slot.attribute.labels["en"][0]
                return f"Who was {post} of {spec.names[0]} in the year before {spec.person} was first named as such?"
            case "changed":
                assert slot is not None
                assert spec.other is not None
                label = slot.attribute.labels["en"][0]
                link = " and" if spec.conditions else ""
                return f"List all {rows}{link} whose {label} in {slot.year} was another than in {spec.other.year}."
            case "yes_no":
                told = " and ".join(map(self.condition, spec.conditions))
                return f"Is there any {noun} in this collection {told}? Answer yes or no."

    def _zh(self, spec: Spec) -> str:
        rows, slot = self.rows(spec.conditions), spec.slot
        label = slot.label("zh") if slot else ""
        name = unit_of(slot.attribute, "zh")[0] if slot else ""
        unit = f"（以{name}计）" if name else ""
        counter = self.kind.nouns["zh"][1]
        leave = "未给出数值的不计。"
        match spec.operation:
            case "count":
                return f"{rows}共有多少{counter[0]}？"
            case "list":
                return f"请列出{rows}的全部名称。如果没有，请回答“无”。"
            case "argmax" | "argmin":
                return f"{rows}中，{label}{'最高' if spec.operation == 'argmax' else '最低'}的是哪{counter[0]}？{leave}"
            case "top":
                return f"{rows}中，{label}最高的{spec.k}{counter[0]}是哪些？请从高到低排列。{leave}"
            case "sum":
                return f"{rows}的{label}合计是多少{unit}？{leave}"
            case "average":
                return f"{rows}的{label}平均是多少{unit}？保留一位小数。{leave}"
            case "percent":
                base = self.rows(spec.conditions[:-1])
                return f"{base}中，{self.condition(spec.conditions[-1])}的占百分之几？只计给出该项的，保留一位小数。"
            case "compare":
                return f"{spec.names[0]}和{spec.names[1]}，哪一个的{label}更高？"
            case "difference":
                return f"{spec.names[0]}与{spec.names[1]}的{label}相差多少{unit}？"
            case "group":
                return f"{rows}中，哪种{label}最多？"
            case "change":
                assert slot is not None
                assert spec.other is not None
                span = f"从{spec.other.year}年到{slot.year}年"
                return f"{spec.names[0]}的{slot.attribute.labels['zh'][0]}{span}变化了多少{unit}？下降用负数表示。"
            case "grown":
                assert slot is not None
                assert spec.other is not None
                span = f"从{spec.other.year}年到{slot.year}年"
                return f"{rows}中，{slot.attribute.labels['zh'][0]}{span}增加最多（按绝对值）的是哪{counter[0]}？{leave}"
            case "before":
                assert slot is not None
                return f"在{spec.person}首次担任{spec.names[0]}的{slot.attribute.labels['zh'][0]}的前一年，担任该职的是谁？"
            case "changed":
                assert slot is not None
                assert spec.other is not None
                return f"请列出{rows}中{slot.year}年{slot.attribute.labels['zh'][0]}与{spec.other.year}年不同的全部名称。"
            case "yes_no":
                told = "且".join(map(self.condition, spec.conditions))
                return f"本资料集中是否有{told}的{self.kind.nouns['zh'][0]}？请回答是或否。"
