"""How scales, measures and currencies are spelled, in English and Chinese: data only.

Measures stand under the name that pint gives them. A spelling that may mean several currencies stands under all their codes,
the likeliest first.
"""

from __future__ import annotations

from decimal import Decimal

SCALES: dict[str, Decimal] = {
    word: Decimal(factor)
    for factor, words in (
        (10, "十"),
        (12, "dozen dozens 打"),
        (100, "hundred hundreds 百"),
        (1_000, "thousand thousands 千 k 千个"),
        (10_000, "万 萬 ten-thousand"),
        (100_000, "lakh lakhs lac lacs 十万"),
        (1_000_000, "million millions mln mn mio mil mill 百万 百萬"),
        (10_000_000, "crore crores 千万 千萬"),
        (100_000_000, "亿 億 万万"),
        (1_000_000_000, "billion billions bn bln bil bill 十亿 十億"),
        (10_000_000_000, "百亿 百億"),
        (100_000_000_000, "千亿 千億"),
        (1_000_000_000_000, "trillion trillions tn trn tril 万亿 萬億 兆"),
    )
    for word in words.split()
}
LETTER_SCALES = {"k": Decimal(1_000), "m": Decimal(10**6), "b": Decimal(10**9), "t": Decimal(10**12), "mm": Decimal(10**6)}

LENGTHS = {
    "millimeter": "mm|millimeter|millimeters|millimetre|millimetres|毫米",
    "centimeter": "cm|centimeter|centimeters|centimetre|centimetres|厘米|公分",
    "meter": "m|meter|meters|metre|metres|mtr|masl|米|公尺",
    "kilometer": "km|kms|kilometer|kilometers|kilometre|kilometres|公里|千米",
    "inch": "inch|inches|″|英寸",
    "foot": "ft|ft.|foot|feet|′|英尺",
    "yard": "yd|yds|yard|yards|码",
    "mile": "mi|mile|miles|英里",
    "nautical_mile": "nm|nmi|nautical mile|nautical miles|海里",
}


def _powers(prefixes: str, chinese: str, power: int) -> dict[str, str]:
    """Squares or cubes of the lengths, in all their spellings."""
    found = {}
    for base, names in LENGTHS.items():
        spelled = []
        for name in names.split("|"):
            if not name.isascii():
                spelled.append(chinese + name)
                continue
            spelled.extend(f"{prefix} {name}" for prefix in prefixes.split("|"))
            if len(name) <= 3 and name.isalpha():
                spelled += [f"{name}{power}", f"{name}^{power}", f"{name}{'²³'[power - 2]}"]
        found[f"{base}**{power}"] = "|".join(spelled)
    return found


MEASURES: dict[str, dict[str, str]] = {
    "length": LENGTHS,
    "area": {
        **_powers("sq|sq.|square", "平方", 2),
        "hectare": "ha|hectare|hectares|公顷",
        "acre": "acre|acres|英亩",
        "market_mu": "mu|亩",
    },
    "volume": {
        **_powers("cu|cu.|cubic", "立方", 3),
        "milliliter": "ml|mL|milliliter|milliliters|millilitre|millilitres|毫升",
        "liter": "l|L|liter|liters|litre|litres|升|公升",
        "gallon": "gal|gallon|gallons|加仑",
        "oil_bbl": "bbl|bbls|barrel|barrels|桶",
    },
    "mass": {
        "milligram": "mg|milligram|milligrams|毫克",
        "microgram": "µg|μg|microgram|micrograms|微克",
        "gram": "g|gram|grams|gramme|grammes|克",
        "kilogram": "kg|kgs|kilo|kilos|kilogram|kilograms|公斤|千克",
        "metric_ton": "t|mt|MT|ton|tons|tonne|tonnes|metric ton|metric tons|metric tonne|metric tonnes|吨|公吨",
        "kilotonne": "kt|kilotonne|kilotonnes",
        "megatonne": "Mt|megatonne|megatonnes",
        "short_ton": "short ton|short tons|短吨",
        "long_ton": "long ton|long tons|长吨",
        "pound": "lb|lbs|lb.|lbs.|pound|pounds|磅",
        "ounce": "oz|ounce|ounces|盎司",
        "market_jin": "斤|市斤",
    },
    "time": {
        "second": "s|sec|secs|second|seconds|秒|秒钟",
        "minute": "min|mins|minute|minutes|分钟",
        "hour": "h|hr|hrs|hour|hours|小时|个小时|钟头",
        "day": "d|day|days|天",
        "week": "wk|wks|week|weeks|周|星期|个星期",
        "month": "mo|mos|month|months|个月",
        "year": "y|yr|yrs|yr.|yrs.|year|years|years old|years of age|year-old|年|岁|周岁|周年|年间",
        "decade": "decade|decades",
    },
    "speed": {
        "kilometer/hour": "km/h|kmh|kph|km per hour|kilometers per hour|kilometres per hour|公里/小时|千米/小时|公里每小时",
        "mile/hour": "mph|miles per hour|英里/小时",
        "meter/second": "m/s|meters per second|metres per second|米/秒",
        "knot": "kn|kt.|knot|knots|节",
    },
    "energy": {
        "joule": "J|joule|joules|焦耳",
        "kilojoule": "kJ|kilojoule|kilojoules|千焦",
        "megajoule": "MJ",
        "gigajoule": "GJ",
        "watt_hour": "Wh",
        "kilowatt_hour": "kWh|KWh|kWH|kwh|KWH|kilowatt-hour|kilowatt-hours|kilowatt hours|千瓦时|度电",
        "megawatt_hour": "MWh|MWH|megawatt-hours|megawatt hours|兆瓦时",
        "gigawatt_hour": "GWh|GWH|gigawatt-hours|gigawatt hours|吉瓦时",
        "terawatt_hour": "TWh|TWH|terawatt-hours|terawatt hours|太瓦时",
        "kilocalorie": "kcal|kilocalorie|kilocalories|千卡|大卡",
        "Btu": "Btu|BTU",
    },
    "power": {
        "watt": "W|watt|watts|瓦|瓦特",
        "kilowatt": "kW|KW|kilowatt|kilowatts|千瓦",
        "megawatt": "MW|megawatt|megawatts|兆瓦",
        "gigawatt": "GW|gigawatt|gigawatts|吉瓦",
        "terawatt": "TW|terawatt|terawatts|太瓦",
        "horsepower": "hp|HP|horsepower|马力",
    },
    "temperature": {
        "degree_Celsius": "°C|° C|degrees Celsius|degree Celsius|deg C|Celsius|摄氏度|℃",
        "kelvin": "K|kelvin|kelvins|开尔文",
        "degree_Fahrenheit": "°F|° F|degrees Fahrenheit|degree Fahrenheit|deg F|Fahrenheit|华氏度|℉",
    },
    "data": {
        "byte": "byte|bytes|字节",
        "kilobyte": "kB|KB|kilobyte|kilobytes",
        "megabyte": "MB|megabyte|megabytes",
        "gigabyte": "GB|gigabyte|gigabytes",
        "terabyte": "TB|terabyte|terabytes",
        "petabyte": "PB|petabyte|petabytes",
    },
}

CURRENCIES: dict[str, str] = {
    "USD|CAD|AUD|HKD|SGD|NZD|TWD|MXN": "$|＄|dollar|dollars",
    "USD": "US$|U.S.$|US $|U.S. $|USD|USD$|US dollar|US dollars|U.S. dollar|U.S. dollars|美元|美金",
    "CNY|TWD|HKD": "元|圆|块",
    "CNY": "RMB|CNY|CN¥|RMB¥|RMB yuan|yuan|renminbi|Chinese yuan|yuan renminbi|人民币|元人民币|人民币元",
    "CNY|JPY": "¥|￥",
    "EUR": "€|EUR|euro|euros|欧元",
    "GBP": "£|GBP|pound|pounds|pound sterling|pounds sterling|British pounds|英镑",
    "JPY": "JP¥|JPY|yen|Japanese yen|日元|日圆",
    "HKD": "HK$|HKD|HKD$|Hong Kong dollar|Hong Kong dollars|港元|港币",
    "TWD": "NT$|TWD|New Taiwan dollars|新台币|台币|新台币元",
    "MOP": "MOP|MOP$|澳门元|澳门币",
    "AUD": "A$|AU$|AUD|Australian dollar|Australian dollars|澳元|澳大利亚元",
    "CAD": "C$|CA$|CAD|Canadian dollar|Canadian dollars|加元|加拿大元",
    "SGD": "S$|SG$|SGD|Singapore dollar|Singapore dollars|新加坡元|新元",
    "NZD": "NZ$|NZD|New Zealand dollars|新西兰元",
    "INR|PKR|LKR|NPR": "Rs|Rs.|rupee|rupees|卢比",
    "INR": "₹|INR|Indian rupee|Indian rupees|印度卢比",
    "KRW": "₩|KRW|won|South Korean won|韩元",
    "CHF": "CHF|Swiss franc|Swiss francs|瑞士法郎",
    "RUB": "₽|RUB|ruble|rubles|rouble|roubles|卢布",
    "BRL": "R$|BRL|real|reais|雷亚尔",
    "MXN|PHP|ARS|CLP|COP|CUP|UYU": "peso|pesos|比索",
    "SEK|NOK|DKK|ISK": "kr|kronor|kroner|kronur|克朗",
    "SEK": "SEK|Swedish kronor|瑞典克朗",
    "NOK": "NOK|Norwegian kroner|挪威克朗",
    "DKK": "DKK|Danish kroner|丹麦克朗",
    "THB": "฿|THB|baht|泰铢",
    "TRY": "₺|TRY|lira|liras|里拉",
    "ILS": "₪|ILS|NIS|shekel|shekels|谢克尔",
    "VND": "₫|VND|dong|越南盾",
    "IDR": "Rp|IDR|rupiah|印尼盾|印尼卢比",
    "MYR": "RM|MYR|ringgit|林吉特|令吉",
    "PHP": "₱|PHP",
    "NGN": "₦|NGN|naira",
    "UAH": "₴|UAH|hryvnia",
    "ZAR": "ZAR|rand|兰特",
    "PLN": "zł|PLN|zloty|zlotys",
}
CENTS = {"USD|EUR|CAD|AUD|HKD|SGD|NZD": "cent|cents|¢|美分", "GBP": "pence|penny", "CNY": "角"}
NO_CODES = frozenset(("ALL", "TOP", "XXX", "XTS", "MXV", "USN", "XAU", "XAG"))
# Currencies whose accounts are told in millions that run into millions.
SMALL_MONEY = frozenset(("JPY", "KRW", "IDR", "VND", "IRR", "LBP", "COP", "CLP", "HUF", "NGN", "PKR", "UZS", "KZT"))

# What runs into millions and has no length: "36.5m" of it are millions, never metres.
COUNTED_THINGS = """
people persons population inhabitants residents citizens men women children students pupils households families voters votes
users customers subscribers members followers fans viewers listeners readers players visitors tourists guests passengers
travellers patients cases deaths births doses jobs employees staff workers headcount units copies downloads installs views
visits streams clicks orders transactions accounts shares stocks cars vehicles phones devices books documents articles records
rows tokens parameters params words
revenue revenues sales turnover profit profits income earnings ebit ebitda loss losses costs expenses expenditure spending
budget assets liabilities equity debt loans deposits funding valuation capitalization salary wages gdp
人 名 户 件 位 股 次 辆 台 票
"""

PERCENTS = {
    Decimal(1): "%|％|percent|per cent|pct|pct.|percentage|percentage point|percentage points|percent points|pp|ppt|ppts|pps|"
    "百分点|个百分点|百分比|per hundred",
    Decimal("0.01"): "basis point|basis points|bp|bps|基点|个基点",
    Decimal("0.1"): "‰|per mille|per mil|permille|千分比",
}
