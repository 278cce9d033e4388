"""What made-up entities have: kinds of entities, their attributes, and how values of each quantity are spelled.

A number is kept in its quantity's canonical unit. A form is a template and what one written unit is worth in canonical ones:
("${} billion", 1000) spells 1,234.5 (million USD) as "$1.2345 billion". All spellings are exact: nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from extagents.tabular import Column, ColumnType

Language = Literal["en", "zh"]
By = Mapping[str, tuple[str, ...]]
YEARS = (2022, 2023, 2024)


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write a number: `least` is the smallest absolute value (canonical) that is written so."""

    template: str
    factor: float = 1.0
    least: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """A kind of number: its canonical unit and its spellings. The first form of a language is the one questions use."""

    unit: str
    forms: Mapping[str, tuple[Form, ...]]
    bare: bool = True  # in tables the unit may stand in the label and the number alone in the cell
    words: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """What an entity has. `labels` are synonyms, the first is the one questions use. `truth` says a flag in a question."""

    name: str
    type: ColumnType
    labels: By
    quantity: str = ""
    low: float = 0.0
    high: float = 0.0
    decimals: int = 0
    negative: float = 0.0
    yearly: bool = False
    choices: By = field(default_factory=dict)
    truth: Mapping[str, str] = field(default_factory=dict)
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A kind of entity: how it is called (singular, plural), how its documents are titled, and its attributes."""

    name: str
    nouns: By
    titles: By
    registers: By
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """A column of the gold table: an attribute, in one year if it is told by year."""

    attribute: Attribute
    year: int | None = None

    @property
    def name(self) -> str:
        return self.attribute.name if self.year is None else f"{self.attribute.name}_{self.year}"

    def label(self, language: str, synonym: int = 0) -> str:
        """How the column is called in a question."""
        label = self.attribute.labels[language][synonym % len(self.attribute.labels[language])]
        if self.year is None:
            return label
        return f"{self.year}年{label}" if language == "zh" else f"{self.year} {label}"

    @property
    def unit(self) -> str:
        return QUANTITIES[self.attribute.quantity].unit if self.attribute.quantity else ""

    def column(self, language: str) -> Column:
        """The column as a schema has it."""
        values = list(self.attribute.choices[language]) if self.attribute.type == "text" and self.attribute.choices else []
        label = self.label(language)
        return Column(name=self.name, type=self.attribute.type, unit=self.unit, description=label, values=values)


def slots(kind: Kind) -> tuple[Slot, ...]:
    """All columns of a kind."""
    made = []
    for attribute in kind.attributes:
        made.extend([Slot(attribute, year) for year in YEARS] if attribute.yearly else [Slot(attribute)])
    return tuple(made)


def _both(*forms: Form) -> dict[str, tuple[Form, ...]]:
    return {"en": forms, "zh": forms}


def _measure(unit: str, en: tuple[tuple[str, float], ...], zh: tuple[tuple[str, float], ...]) -> Quantity:
    return Quantity(
        unit,
        {
            "en": tuple(Form("{} " + name, factor) for name, factor in en),
            "zh": tuple(Form("{}" + name, factor) for name, factor in zh),
        },
    )


QUANTITIES: dict[str, Quantity] = {
    "money": Quantity(
        "million USD",
        {
            "en": (
                Form("${} million"),
                Form("USD {} million"),
                Form("{} million USD"),
                Form("${} billion", 1000, 1000),
                Form("US${} bn", 1000, 1000),
                Form("{} US dollars", 1e-6),
            ),
            "zh": (Form("{}亿美元", 100), Form("{}万美元", 0.01), Form("{}百万美元"), Form("{}亿美元", 100)),
        },
    ),
    "percent": Quantity(
        "%",
        {
            "en": (Form("{}%"), Form("{} percent"), Form("{} per cent")),
            "zh": (Form("{}%"), Form("百分之{}"), Form("{}%")),
        },
    ),
    "people": Quantity(
        "",
        {
            "en": (Form("{}"), Form("{} thousand", 1e3, 1e4), Form("{} million", 1e6, 1e6)),
            "zh": (Form("{}人"), Form("{}万人", 1e4, 1e4), Form("{}人")),
        },
    ),
    "units": Quantity(
        "",
        {
            "en": (Form("{}"), Form("{} thousand", 1e3, 1e4), Form("{} million", 1e6, 1e6)),
            "zh": (Form("{}件"), Form("{}万件", 1e4, 1e4), Form("{}件")),
        },
    ),
    "plain": Quantity("", _both(Form("{}"))),
    "few": Quantity("", _both(Form("{}")), words=True),
    "price": Quantity("USD", {"en": (Form("${}"), Form("{} USD"), Form("US${}")), "zh": (Form("{}美元"), Form("{}美元"))}),
    "km": _measure("km", (("km", 1), ("kilometres", 1)), (("公里", 1), ("千米", 1))),
    "metres": _measure("m", (("m", 1), ("metres", 1), ("meters", 1)), (("米", 1),)),
    "area": _measure(
        "sq km", (("sq km", 1), ("square kilometres", 1), ("km²", 1)), (("平方公里", 1), ("平方千米", 1), ("万平方公里", 1e4))
    ),
    "kg": _measure("kg", (("kg", 1), ("kilograms", 1), ("g", 0.001)), (("公斤", 1), ("千克", 1), ("克", 0.001))),
    "mg": _measure("mg", (("mg", 1), ("milligrams", 1), ("g", 1000)), (("毫克", 1), ("克", 1000))),
    "tonnes": _measure("tonnes", (("tonnes", 1), ("t", 1)), (("吨", 1), ("万吨", 1e4))),
    "months": _measure("months", (("months", 1),), (("个月", 1),)),
    "hours": _measure("hours", (("hours", 1), ("h", 1)), (("小时", 1),)),
    "watts": _measure("W", (("W", 1), ("watts", 1), ("kW", 1000)), (("瓦", 1), ("千瓦", 1000))),
    "knots": _measure("knots", (("knots", 1), ("kn", 1)), (("节", 1),)),
}

_COUNTRIES: By = {
    "en": ("Norway", "Japan", "Brazil", "Canada", "Kenya", "Poland", "Chile", "India", "Portugal", "Vietnam"),
    "zh": ("挪威", "日本", "巴西", "加拿大", "肯尼亚", "波兰", "智利", "印度", "葡萄牙", "越南"),
}


def _number(
    name: str,
    quantity: str,
    span: tuple[float, float],
    en: tuple[str, ...],
    zh: tuple[str, ...],
    *,
    decimals: int = 0,
    yearly: bool = False,
    negative: float = 0.0,
) -> Attribute:
    low, high = span
    labels = {"en": en, "zh": zh}
    return Attribute(name, "number", labels, quantity, low, high, decimals, negative, yearly)


def _class(name: str, en: tuple[str, ...], zh: tuple[str, ...], choices: By) -> Attribute:
    return Attribute(name, "text", {"en": en, "zh": zh}, choices=choices)


def _list(name: str, en: tuple[str, ...], zh: tuple[str, ...], choices: By) -> Attribute:
    return Attribute(name, "list", {"en": en, "zh": zh}, choices=choices)


def _date(name: str, span: tuple[int, int], en: tuple[str, ...], zh: tuple[str, ...]) -> Attribute:
    return Attribute(name, "date", {"en": en, "zh": zh}, first=span[0], last=span[1])


def _flag(name: str, en: tuple[str, str], zh: tuple[str, str]) -> Attribute:
    return Attribute(name, "boolean", {"en": (en[0],), "zh": (zh[0],)}, truth={"en": en[1], "zh": zh[1]})


def _person(name: str, en: tuple[str, ...], zh: tuple[str, ...]) -> Attribute:
    return Attribute(name, "text", {"en": en, "zh": zh}, yearly=True)


KINDS: dict[str, Kind] = {
    "company": Kind(
        "company",
        {"en": ("company", "companies"), "zh": ("公司", "家公司")},
        {
            "en": ("Annual report of {}", "{}: company filing", "{} – facts for shareholders"),
            "zh": ("{}年度报告", "{}公司资料"),
        },
        {"en": ("Company register, part {}", "Industry survey, sheet {}"), "zh": ("企业名录第{}部分", "行业调查表{}")},
        (
            _class(
                "sector",
                ("sector", "industry"),
                ("行业", "所属行业"),
                {
                    "en": ("Energy", "Healthcare", "Software", "Retail", "Logistics"),
                    "zh": ("能源", "医疗", "软件", "零售", "物流"),
                },
            ),
            _number(
                "revenue",
                "money",
                (40, 9000),
                ("revenue", "net sales", "turnover"),
                ("营业收入", "营收", "销售收入"),
                decimals=1,
                yearly=True,
            ),
            _number(
                "net_income",
                "money",
                (5, 900),
                ("net income", "net profit", "profit after tax"),
                ("净利润", "税后利润"),
                decimals=1,
                yearly=True,
                negative=0.2,
            ),
            _number("employees", "people", (120, 90000), ("number of employees", "headcount"), ("员工人数", "在职员工数")),
            _number(
                "export_share",
                "percent",
                (2, 95),
                ("export share of sales", "share of sales made abroad"),
                ("出口占比", "海外销售占比"),
                decimals=1,
            ),
            _date("founded", (1950, 2015), ("founding date", "date of incorporation"), ("成立日期", "注册日期")),
            _person("chief", ("chief executive", "chief executive officer"), ("首席执行官", "总裁")),
            _list("markets", ("markets", "countries served"), ("市场", "业务覆盖国家"), _COUNTRIES),
            _flag("listed", ("Listed on a stock exchange", "are listed on a stock exchange"), ("是否上市", "已上市")),
        ),
    ),
    "country": Kind(
        "country",
        {"en": ("country", "countries"), "zh": ("国家", "个国家")},
        {"en": ("Country profile: {}", "{} – statistical portrait", "Facts about {}"), "zh": ("{}国家概况", "{}统计资料")},
        {
            "en": ("Gazetteer of states, part {}", "Statistical yearbook, sheet {}"),
            "zh": ("各国统计手册第{}部分", "统计年鉴表{}"),
        },
        (
            _class(
                "region",
                ("region", "part of the world"),
                ("地区", "所在地区"),
                {
                    "en": ("North Isles", "Coral Sea", "High Steppe", "Amber Coast"),
                    "zh": ("北方群岛", "珊瑚海", "高原草原", "琥珀海岸"),
                },
            ),
            _number("population", "people", (20_000, 9_000_000), ("population", "number of inhabitants"), ("人口", "居民人数")),
            _number("area", "area", (300, 900_000), ("land area", "total area"), ("国土面积", "总面积")),
            _number("coastline", "km", (20, 9_000), ("coastline length", "length of the coast"), ("海岸线长度", "海岸线总长")),
            _number(
                "growth",
                "percent",
                (0.2, 9),
                ("economic growth rate", "real GDP growth"),
                ("经济增长率", "实际GDP增速"),
                decimals=2,
                yearly=True,
                negative=0.25,
            ),
            _number(
                "unemployment",
                "percent",
                (1, 28),
                ("unemployment rate", "jobless rate"),
                ("失业率", "登记失业率"),
                decimals=2,
                yearly=True,
            ),
            _date("independence", (1820, 1990), ("date of independence", "independence since"), ("独立日期", "独立时间")),
            _person("premier", ("head of government", "prime minister"), ("政府首脑", "总理")),
            _list("partners", ("export partners", "main buyers of exports"), ("出口伙伴", "主要出口国"), _COUNTRIES),
            _flag(
                "union",
                ("Member of the customs union", "are members of the customs union"),
                ("是否关税同盟成员", "属于关税同盟"),
            ),
        ),
    ),
    "trial": Kind(
        "trial",
        {"en": ("clinical trial", "clinical trials"), "zh": ("临床试验", "项临床试验")},
        {"en": ("Study record: {}", "{} – protocol summary", "Results of {}"), "zh": ("{}试验登记", "{}方案摘要")},
        {"en": ("Trial registry, part {}", "Overview of studies, sheet {}"), "zh": ("临床试验登记第{}部分", "研究一览表{}")},
        (
            _class(
                "phase",
                ("phase", "study phase"),
                ("阶段", "试验阶段"),
                {"en": ("Phase 1", "Phase 2", "Phase 3", "Phase 4"), "zh": ("一期", "二期", "三期", "四期")},
            ),
            _class(
                "condition",
                ("condition", "indication"),
                ("适应症", "目标疾病"),
                {
                    "en": ("Asthma", "Migraine", "Psoriasis", "Diabetes", "Anaemia"),
                    "zh": ("哮喘", "偏头痛", "银屑病", "糖尿病", "贫血"),
                },
            ),
            _number("participants", "people", (24, 6000), ("number of participants", "enrolment"), ("受试者人数", "入组人数")),
            _number("dropout", "percent", (1, 40), ("dropout rate", "rate of withdrawal"), ("脱落率", "退出率"), decimals=1),
            _number("dose", "mg", (5, 1500), ("daily dose", "dose per day"), ("每日剂量", "日剂量")),
            _number("duration", "months", (3, 72), ("duration", "length of treatment"), ("试验时长", "治疗时长")),
            _number("sites", "few", (2, 60), ("number of sites", "study centres"), ("中心数量", "研究中心数")),
            _number(
                "cost", "money", (1, 240), ("spending", "trial expenditure"), ("支出", "试验费用"), decimals=2, yearly=True
            ),
            _date("start", (2008, 2021), ("start date", "first patient enrolled on"), ("开始日期", "首例入组日期")),
            _person("investigator", ("principal investigator", "lead investigator"), ("主要研究者", "首席研究员")),
            _list("countries", ("countries of recruitment", "recruiting countries"), ("招募国家", "入组国家"), _COUNTRIES),
            _flag("met", ("Primary endpoint met", "met their primary endpoint"), ("是否达到主要终点", "达到主要终点")),
        ),
    ),
    "product": Kind(
        "product",
        {"en": ("product", "products"), "zh": ("产品", "款产品")},
        {"en": ("Product sheet: {}", "{} – data sheet", "Specifications of {}"), "zh": ("{}产品说明书", "{}技术参数")},
        {"en": ("Catalogue, part {}", "Buyer's guide, sheet {}"), "zh": ("产品目录第{}部分", "选购指南表{}")},
        (
            _class(
                "category",
                ("category", "product group"),
                ("类别", "产品类别"),
                {
                    "en": ("Drone", "Vacuum cleaner", "Speaker", "Projector", "Heater"),
                    "zh": ("无人机", "吸尘器", "音箱", "投影仪", "取暖器"),
                },
            ),
            _number("price", "price", (25, 2400), ("list price", "recommended price"), ("建议售价", "标价"), decimals=2),
            _number("weight", "kg", (0.2, 18), ("weight", "net weight"), ("重量", "净重"), decimals=2),
            _number("battery", "hours", (2, 48), ("battery life", "running time"), ("续航时间", "电池续航"), decimals=1),
            _number("power", "watts", (15, 2400), ("rated power", "power input"), ("额定功率", "输入功率")),
            _number("warranty", "few", (6, 72), ("warranty in months", "guarantee in months"), ("保修月数", "质保月数")),
            _number(
                "sold",
                "units",
                (800, 2_000_000),
                ("units sold", "unit sales"),
                ("销量", "售出数量"),
                yearly=True,
            ),
            _date("launched", (2012, 2021), ("launch date", "on the market since"), ("上市日期", "发布日期")),
            _person("designer", ("product manager", "responsible manager"), ("产品经理", "产品负责人")),
            _list("outlets", ("countries of sale", "available in"), ("销售国家", "在售国家"), _COUNTRIES),
            _flag("waterproof", ("Waterproof", "are waterproof"), ("是否防水", "防水")),
        ),
    ),
    "ship": Kind(
        "ship",
        {"en": ("ship", "ships"), "zh": ("船舶", "艘船舶")},
        {"en": ("Ship's record: {}", "{} – survey of the vessel", "Particulars of {}"), "zh": ("{}船舶档案", "{}检验记录")},
        {"en": ("Register of ships, part {}", "Fleet list, sheet {}"), "zh": ("船舶登记册第{}部分", "船队一览表{}")},
        (
            _class(
                "type",
                ("ship type", "type of vessel"),
                ("船型", "船舶类型"),
                {
                    "en": ("Tanker", "Bulk carrier", "Ferry", "Trawler", "Container ship"),
                    "zh": ("油轮", "散货船", "渡轮", "拖网渔船", "集装箱船"),
                },
            ),
            _number("length", "metres", (28, 390), ("overall length", "length over all"), ("总长", "全长"), decimals=1),
            _number("tonnage", "plain", (300, 180_000), ("gross tonnage", "register tonnage"), ("总吨位", "登记吨位")),
            _number("crew", "few", (6, 64), ("crew size", "number of crew"), ("船员人数", "船员定额")),
            _number("speed", "knots", (8, 32), ("service speed", "cruising speed"), ("航速", "服务航速"), decimals=1),
            _number(
                "cargo", "tonnes", (2_000, 900_000), ("cargo carried", "freight carried"), ("货运量", "载货总量"), yearly=True
            ),
            _date("built", (1975, 2019), ("launching date", "date of launch"), ("下水日期", "下水时间")),
            _person("master", ("master", "captain"), ("船长", "船长姓名")),
            _list("calls", ("countries called at", "countries on the route"), ("停靠国家", "航线国家"), _COUNTRIES),
            _flag("ice", ("Ice-strengthened", "are ice-strengthened"), ("是否抗冰", "具备抗冰能力")),
        ),
    ),
}
