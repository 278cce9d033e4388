"""Closed lists of English and Chinese: words that carry nothing, related words, what a noun asks for, what names look like."""

from __future__ import annotations

from extagents.types import AnswerType


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Carry nothing in a question.
STOP = _words(
    "a an the and or but if of in on at to from by for with without about as into over after before between during through "
    "is am are was were be been being do does did doing done has have had having can could will would shall should may "
    "might must "
    "who whom whose what which when where why how that this these those there here it its he him his she her hers they them "
    "their theirs we us our you your i me my one ones s t d ll re ve not no nor so than then too very just also any some each "
    "both either neither all such same other another more most much many while because until up down out off own again "
    "please tell give name list called named known get got made make"
)
STOP_ZH = (
    "什么时候", "哪一年", "哪一个", "哪一位", "是什么", "什么", "哪里", "哪儿", "哪个", "哪位", "哪些", "哪年", "哪种", "哪一",
    "多少", "是否", "为什么", "怎么", "怎样", "如何", "何时", "何地", "谁", "几个", "几", "吗", "呢", "的",
    "了", "是", "在", "和", "与", "有", "被", "于", "由", "对", "从", "这", "那", "个",
    "位", "为", "它", "他", "她", "们", "吧", "着", "过", "请", "哪",
)  # fmt: skip

# Words that say the same in a question and in its answer's sentence, beyond a common stem.
_GROUPS = (
    "wrote write writes written writer author novelist wrote",
    "film movie picture",
    "born birth birthplace birthday native",
    "died death die dies dead",
    "wife husband spouse married marry marriage partner",
    "located location situated lies",
    "directed director directs",
    "performed performer singer sung sang artist recorded musician band",
    "founded founder established formed founding created creator co-founder",
    "child children son daughter father mother parent",
    "sibling brother sister",
    "capital seat",
    "company corporation firm",
    "school university college educated alma attended graduated studied",
    "starred star stars starring actor actress cast played plays portrayed",
    "released release published publication",
    "nationality citizen citizenship",
    "language spoken",
    "population inhabitants people",
    "begin began begun start started starts",
    "win won wins winner",
    "lead led leads leader headed head",
    "buy bought sells sell sold",
    "made makes make produced producer produces manufactured",
    "team club",
    "song single track",
    "record label",
    "border borders bordering bordered adjacent neighboring",
    "raise raises raised",
    "called named known",
    "job occupation profession",
    "grew grow",
    "fought fight war battle",
    "sport sports",
    "implement implements implementation implemented",
    "add added adds new",
    "return returns returned",
    "replace replaced replaces replacement",
    "design designed designs designer",
    "invent invented inventor invention",
    "built build builds construction constructed",
    "end ended ends",
    "broadcast aired aires premiered network",
    "mother mothered",
    "ruled ruler king queen governed",
    "use used uses using",
)


def _related() -> dict[str, tuple[str, ...]]:
    table: dict[str, set[str]] = {}
    for group in _GROUPS:
        members = group.split()
        for word in members:
            table.setdefault(word, set()).update(other for other in members if other != word)
    return {word: tuple(sorted(others)) for word, others in table.items()}


RELATED = _related()


def _typed(kind: AnswerType, nouns: str) -> dict[str, AnswerType]:
    return dict.fromkeys(nouns.split(), kind)


# What kind of thing a noun after "what" or "which" asks for.
FOCUS_TYPES: dict[str, AnswerType] = {
    **_typed(
        "person",
        "person people man woman actor actress actors actresses singer writer author director president king queen "
        "player politician "
        "leader founder artist musician composer poet scientist explorer emperor pope wife husband spouse child son "
        "daughter father "
        "mother brother sister sibling character driver coach manager owner performer producer host inventor architect painter "
        "senator governor mayor minister designer quarterback celebrity philosopher general maintainer developer "
        "programmer researcher engineer lawyer ruler philanthropist teacher commander monarch officer minister "
        "astronaut chef dancer model rapper comedian critic journalist editor translator suspect victim winner opponent "
        "successor predecessor",
    ),
    **_typed(
        "place",
        "city country state county town village place location region province district continent river lake island mountain "
        "territory capital area neighborhood street park birthplace hometown stadium venue nation municipality parish "
        "sea ocean "
        "borough range planet district campus",
    ),
    **_typed(
        "organization",
        "company organization university school college team band club agency newspaper network label party church "
        "station studio "
        "publisher institution museum corporation magazine association group manufacturer league airline army government",
    ),
    **_typed("date", "year date month day decade century season era period"),
    **_typed("number", "number population percentage percent amount rank ranking height length area-code score age total"),
    **_typed(
        "name",
        "film movie book novel album song series show game single magazine play opera poem language award medal prize "
        "episode module "
        "function class method exception error package library command option protocol algorithm name title nickname acronym "
        "article event war battle treaty law act religion breed species genus nationality",
    ),
}

# Chinese question words, the more telling first.
ZH_WH: tuple[tuple[str, AnswerType], ...] = (
    (
        "什么时候|何时|哪[一]?年|哪[一]?天|哪[一]?月|几月|几号|什么日期|什么年份|年份|什么时间|哪个世纪|哪个年代|几年(?!级)",
        "date",
    ),
    ("多少|几[个位次名年岁天种支家座条]|多[大高长远深重快久]|百分之几|比例|数量|人口", "number"),
    ("为什么|为何|怎么|怎样|如何|什么样", "text"),
    ("谁|哪[一]?位|哪[个名][^？]{0,6}(?:人|者|家|员|手|王|帝|统)|什么人|何人", "person"),
    (
        "哪里|哪儿|何处|何地|什么地方|哪[个座一][^？]{0,4}(?:国家|城市|省|州|县|市|镇|村|岛|洲|大陆|地区|国)|什么城市|什么国家|在哪",
        "place",
    ),
    ("哪[个家所支][^？]{0,6}(?:公司|大学|学校|组织|机构|球队|队|党|团)|什么(?:公司|组织|机构|大学)", "organization"),
    ("哪些", "list"),
    ("叫什么|什么名|哪[部本首个种]|名称|名字", "name"),
)

# Last or first words by which a name shows what it names.
ORGANIZATION = _words(
    "inc corp corporation company co ltd llc university college school academy institute association society club fc united "
    "department ministry agency bureau commission committee council party church records entertainment pictures studios "
    "productions network channel broadcasting press publishing publications group foundation trust museum library team league "
    "federation union airlines army navy bank hospital laboratory laboratories orchestra band institution brewery "
    "international systems technologies government board office bureau court senate parliament congress"
)
PLACE = _words(
    "city county river lake island islands mountain mountains mount state province district region village town "
    "township street "
    "road avenue park bay sea ocean gulf coast peninsula valley desert republic kingdom airport station stadium castle palace "
    "forest hills hill creek beach harbor harbour port bridge square north south east west northern southern eastern western "
    "central new san santa saint st fort cape los las"
)
PERSON_TITLES = _words(
    "mr mrs ms dr sir lady lord king queen prince princess president professor prof captain general colonel pope saint emperor "
    "senator governor judge justice duke earl count baron rabbi chief admiral"
)
COUNTRIES = _words(
    "afghanistan albania algeria andorra angola argentina armenia australia austria azerbaijan bahamas bahrain "
    "bangladesh barbados "
    "belarus belgium belize benin bhutan bolivia bosnia botswana brazil brunei bulgaria burundi cambodia cameroon "
    "canada chad chile "
    "china colombia congo croatia cuba cyprus denmark djibouti ecuador egypt england eritrea estonia ethiopia fiji "
    "finland france "
    "gabon gambia georgia germany ghana greece greenland grenada guatemala guinea guyana haiti honduras hungary iceland india "
    "indonesia iran iraq ireland israel italy jamaica japan jordan kazakhstan kenya kosovo kuwait kyrgyzstan laos "
    "latvia lebanon "
    "lesotho liberia libya lithuania luxembourg madagascar malawi malaysia maldives mali malta mauritania mauritius "
    "mexico moldova "
    "monaco mongolia montenegro morocco mozambique myanmar namibia nepal netherlands nicaragua niger nigeria norway "
    "oman pakistan "
    "palestine panama paraguay peru philippines poland portugal qatar romania russia rwanda samoa scotland senegal serbia "
    "singapore slovakia slovenia somalia spain sudan suriname sweden switzerland syria taiwan tajikistan tanzania "
    "thailand togo "
    "tonga tunisia turkey turkmenistan uganda ukraine uruguay usa u.s uk uzbekistan vanuatu vatican venezuela vietnam "
    "wales yemen "
    "zambia zimbabwe britain"
) | {
    "united states", "united kingdom", "new zealand", "south africa", "south korea", "north korea", "sri lanka", "saudi arabia",
    "costa rica", "puerto rico", "united arab emirates", "czech republic", "el salvador", "sierra leone", "ivory coast",
    "great britain", "northern ireland", "soviet union", "papua new guinea", "dominican republic", "burkina faso",
}  # fmt: skip
CONTINENTS = _words("europe asia africa america antarctica oceania") | {"north america", "south america"}
STATES = _words(
    "alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois "
    "indiana iowa "
    "kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana nebraska "
    "nevada ohio "
    "oklahoma oregon pennsylvania tennessee texas utah vermont virginia washington wisconsin wyoming ontario quebec alberta "
    "manitoba queensland victoria tasmania bavaria"
) | {
    "new york", "new jersey", "new mexico", "new hampshire", "north carolina", "south carolina", "north dakota", "south dakota",
    "west virginia", "rhode island", "british columbia", "nova scotia", "new south wales", "south australia",
    "western australia",
}  # fmt: skip
MONTHS = _words(
    "january february march april may june july august september october november december monday tuesday wednesday thursday "
    "friday saturday sunday"
)
# Start sentences and stand capitalised without being part of a name.
SENTENCE_STARTERS = STOP | _words(
    "however although though since during later early following according despite besides meanwhile today now then first "
    "second third finally thus therefore moreover furthermore when while under it's i'm he's she's that's let's yes no ok okay "
    "hey hi thanks thank sure absolutely great well oh see note raises returns return raise if else for import from class def "
    "notable several many most every within among along additionally instead originally eventually currently"
)
NATIONALITY_ENDINGS = (
    "ese",
    "ish",
    "ian",
    "ean",
    "ican",
    "dutch",
    "french",
    "german",
    "greek",
    "welsh",
    "swiss",
    "thai",
    "czech",
)

# End a noun phrase after a question word.
FOCUS_END = _words(
    "of in on at to from for by with that which who whom where when and or as during "
    "did does do has have had can could will would should may might it he she they not also both"
)
COPULAS = _words("is was are were")
AUXILIARIES = _words("did do does can could will would should is was are were has have had")
# Things that a title names: asked which one it is, the title answers.
TITLED = _words("module modules file files script document documents article page chapter notebook package")
