"""What a statement may be, and what it mentions, told from the parser's own tree: allowed is what is known to be harmless.

A tree is DuckDB's `json_serialize_sql`. Nothing here runs a statement.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

LONGEST = 50_000
"""Characters that a statement may have."""

_DEEPEST = 200
_NODES = frozenset(
    (
        *("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"),
        *("BASE_TABLE", "JOIN", "SUBQUERY", "TABLE_FUNCTION", "EMPTY", "EXPRESSION_LIST", "PIVOT"),
        *("DISTINCT_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER"),
        *("ORDER_DEFAULT", "ASCENDING", "DESCENDING"),
    )
)
_EXPRESSIONS = frozenset(
    (
        *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA"),
        *("LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW"),
    )
)
_SOURCES = frozenset(("generate_series", "range", "unnest"))
_OPERATORS = frozenset(
    "+ - * / // % ^ ** || & | << >> ~ ~~ !~~ ~~* !~~* ~~~ = != <> < <= > >= @> <@ && ->> -> @ ! ^@ !__postfix".split()
)
# What the tables do not hold: the clock, chance, settings, files, other text to be run as SQL. None of it is here.
_FUNCTIONS = _OPERATORS | frozenset(
    """
    abs acos add any_value approx_count_distinct approx_quantile arbitrary arg_max arg_max_null arg_min arg_min_null argmax
    argmin array_agg array_append array_concat array_contains array_distinct array_extract array_filter array_has array_has_all
    array_has_any array_indexof array_intersect array_length array_position array_prepend array_reverse array_slice array_sort
    array_to_string array_transform array_unique array_value ascii asin atan atan2 avg bit_and bit_count bit_or bit_xor bool_and
    bool_or cardinality cbrt ceil ceiling century char_length character_length chr coalesce concat concat_ws contains corr cos
    cot count count_if count_star countif covar_pop covar_samp cume_dist damerau_levenshtein date_add date_diff date_part
    date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade
    degrees dense_rank divide element_at ends_with entropy epoch epoch_ms era even exp factorial favg fdiv first first_value
    flatten floor fmod format fsum gcd generate_series generate_subscripts geomean geometric_mean greatest group_concat hamming
    hash histogram hour if ifnull ilike_escape instr isfinite isinf isnan isodow isoyear jaccard jaro_similarity
    jaro_winkler_similarity kahan_sum kurtosis kurtosis_pop lag last last_day last_value lcase lcm lead least left len length
    levenshtein lgamma like_escape list list_aggr list_aggregate list_any_value list_append list_apply list_avg list_bool_and
    list_bool_or list_cat list_concat list_contains list_count list_distinct list_element list_extract list_filter list_first
    list_has list_has_all list_has_any list_indexof list_intersect list_last list_max list_median list_min list_mode
    list_position list_prepend list_product list_reduce list_reverse list_reverse_sort list_select list_slice list_sort
    list_stddev_pop list_stddev_samp list_string_agg list_sum list_transform list_unique list_value list_var_pop list_var_samp
    list_where list_zip listagg ln log log10 log2 lower lpad ltrim mad make_date map map_entries map_extract map_from_entries
    map_keys map_values max max_by mean median microsecond millennium millisecond min min_by minute mismatches mod mode month
    monthname multiply nfc_normalize not_ilike_escape not_like_escape nth_value ntile nullif octet_length ord percent_rank pi
    position pow power prefix printf product quantile quantile_cont quantile_disc quarter radians range rank rank_dense
    regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace regexp_split_to_array
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right
    round round_even roundbankers row row_number rpad rtrim second sem sign signbit sin skewness split split_part sqrt
    starts_with stddev stddev_pop stddev_samp str_split str_split_regex strftime string_agg string_split string_split_regex
    string_to_array strip_accents strlen strpos strptime struct_extract struct_pack substr substring subtract suffix sum
    sum_no_overflow sumkahan tan to_centuries to_days to_decades to_hours to_microseconds to_millennia to_milliseconds
    to_minutes to_months to_quarters to_seconds to_weeks to_years translate trim trunc try_strptime typeof ucase unicode unnest
    upper var_pop var_samp variance wavg week weekday weekofyear weighted_avg xor year yearweek
    """.split()
)
# Words that mean the session or the clock where no column has that name.
_SESSION = frozenset(
    """current_catalog current_database current_date current_localtime current_localtimestamp current_query current_role
    current_schema current_schemas current_time current_timestamp current_user localtime localtimestamp session_user user
    """.split()
)
_CATALOGUE = re.compile(r"(?:duckdb_|pragma_|sqlite_|pg_|information_schema)", re.IGNORECASE)
_PLAIN = re.compile(r"\w+")


class Refused(Exception):
    """A statement that is not run, and why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Mentions(NamedTuple):
    """The tables and columns that a statement names, in lower case, in the order of their first mention.

    `everything`: a `*` that is no `count(*)` stands in it.
    """

    tables: tuple[str, ...]
    columns: tuple[str, ...]
    everything: bool


def deepest(sql: str) -> int:
    """How deep the brackets of a statement nest, those within text included."""
    depth = most = 0
    for char in re.findall(r"[(\[{}\])]", sql):
        depth = depth + 1 if char in "([{" else max(0, depth - 1)
        most = max(most, depth)
    return most


def check_text(sql: str) -> None:
    """Raises Refused where the text alone says that the statement is not run: the parser never sees such a one."""
    if not sql.strip():
        raise Refused("there is no statement")
    if len(sql) > LONGEST:
        raise Refused(f"the statement is longer than {LONGEST:,} characters")
    if "\0" in sql or (not sql.isascii() and any("\ud800" <= char <= "\udfff" for char in sql)):
        raise Refused("the statement holds a character that is none of any text")
    if deepest(sql) > _DEEPEST:
        raise Refused(f"brackets are nested deeper than {_DEEPEST}")


def check_tree(tree: Mapping[str, Any], tables: Mapping[str, Collection[str]]) -> None:
    """Raises Refused where the tree holds anything but a SELECT over `tables` (names to columns) by harmless functions."""
    statements = tree.get("statements")
    if tree.get("error") or not isinstance(statements, list):
        raise Refused("only a SELECT statement is run")
    if len(statements) != 1:
        raise Refused("only one statement is run")
    nodes = list(_nodes(statements))
    named = {name.lower() for node in nodes for name in _ctes(node)}
    for name in named:
        if not _PLAIN.fullmatch(name) or _CATALOGUE.match(name):
            raise Refused(f"a WITH clause may not be called {_short(name)}")
    columns = {column.lower() for held in tables.values() for column in held}
    columns |= {str(node["alias"]).lower() for node in nodes if node.get("alias")}
    columns |= {str(alias).lower() for node in nodes for alias in node.get("column_name_alias") or ()}
    known = {name.lower() for name in tables}
    for node in nodes:
        _check_node(node, known, named, columns)


def _check_node(node: Mapping[str, Any], known: set[str], named: set[str], columns: set[str]) -> None:
    kind, what = node.get("class"), node.get("type")
    if kind is None and isinstance(what, str) and what not in _NODES and not what.endswith("_TYPE_INFO"):
        raise Refused(f"only a SELECT over the tables is run, not {_spoken(what)}")
    if kind is not None and kind not in _EXPRESSIONS:
        raise Refused(f"{_spoken(str(kind))} is not available; write the values themselves")
    if node.get("at_clause"):
        raise Refused("AT is not available")
    if what == "BASE_TABLE":
        *above, name = _path(node, "table_name")
        if [part for part in above if part.lower() not in ("main", "memory")] or name.lower() not in known | named:
            listed = ", ".join(sorted(known)) or "none"
            raise Refused(f"there is no table {_short('.'.join((*above, name)))}; tables: {listed}")
    if "function_name" in node:
        *above, name = _path(node, "function_name")
        # Some releases write the place of a function of their own before what the parser makes of a word like EXTRACT.
        if set(above) - {"main", "pg_catalog"} or name.lower() not in _FUNCTIONS:
            near = difflib.get_close_matches(name.lower(), _FUNCTIONS - _OPERATORS, 1, 0.8)
            told = f'; there is "{near[0]}"' if near else ""
            raise Refused(f"the function {_short('.'.join((*above, name)))} is not available{told}")
    if what == "TABLE_FUNCTION":
        name = str((node.get("function") or {}).get("function_name", "")).lower()
        if name not in _SOURCES:
            raise Refused(f"the function {_short(name)} is not available after FROM")
    if kind == "COLUMN_REF":
        names = [str(name).lower() for name in node.get("column_names") or ()]
        if len(names) == 1 and names[0] in _SESSION and names[0] not in columns:
            raise Refused(f"{names[0]} is not available: the answer may only depend on the tables")


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping of the tree; without recursion, so that no depth ends it."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            yield node
            waiting.extend(reversed(list(node.values())))
        elif isinstance(node, list):
            waiting.extend(reversed(node))


def _path(node: Mapping[str, Any], field: str) -> list[str]:
    """The name with what stands before it: catalogue, schema. Both of the tree's spellings are looked at."""
    above = [str(node.get(key) or "") for key in ("catalog_name", "catalog", "schema_name", "schema")]
    told = [part for part in above if part] + [str(node.get(field) or "")]
    path = [str(part) for part in (node.get("qualified_name") or {}).get("path") or ()]
    return path if len(path) >= len(told) else told


def _ctes(node: Mapping[str, Any]) -> Iterator[str]:
    held = node.get("cte_map")
    if isinstance(held, Mapping):
        yield from (str(entry.get("key", "")) for entry in held.get("map") or () if isinstance(entry, Mapping))
    if node.get("cte_name"):
        yield str(node["cte_name"])


def _spoken(kind: str) -> str:
    return kind.removesuffix("_NODE").removesuffix("_REF").replace("_", " ").lower()


def _short(name: str) -> str:
    """A name as it is shown in a message: one that could be a path or an address is not repeated."""
    return f'"{name[:60]}"' if re.fullmatch(r"[\w .%+*|&<>=!@^~-]{1,60}", name) and "://" not in name else "of that name"


# ------------------------------------------------------------------ what is mentioned


def mentions(tree: Mapping[str, Any]) -> Mentions:
    """What the statement names. Names of a WITH clause are no tables, those of aliases may be among the columns."""
    nodes = list(_nodes(tree.get("statements")))
    named = {name.lower() for node in nodes for name in _ctes(node)}
    tables: dict[str, None] = {}
    columns: dict[str, None] = {}
    everything = False
    for node in nodes:
        if node.get("type") == "BASE_TABLE":
            name = _path(node, "table_name")[-1].lower()
            if name not in named:
                tables[name] = None
        elif node.get("class") == "COLUMN_REF":
            names = [str(name).lower() for name in node.get("column_names") or ()]
            columns.update(dict.fromkeys(names[-2:] if len(names) > 2 else names[-1:]))
        elif node.get("class") == "STAR":
            everything = True
        for name in node.get("using_columns") or ():
            columns[str(name).lower()] = None
    return Mentions(tuple(tables), tuple(columns), everything)


# ------------------------------------------------------------------ which rows a statement looks at


def row_trees(tree: Mapping[str, Any], tables: Collection[str]) -> Sequence[tuple[tuple[str, ...], dict[str, Any]]]:
    """For every part of the statement that reads tables: their names, and a tree that numbers the rows it looks at.

    Such a tree keeps FROM and WHERE and drops what comes after. One that refers to a part around it will not run.
    """
    known = {name.lower() for name in tables}
    found = []
    ctes: list[Any] = [
        entry
        for node in _nodes(tree.get("statements"))
        if isinstance(node.get("cte_map"), Mapping)
        for entry in node["cte_map"].get("map") or ()
    ]
    named = {str(entry.get("key", "")).lower() for entry in ctes}
    for node in _nodes(tree.get("statements")):
        if node.get("type") != "SELECT_NODE":
            continue
        read = [(name, alias) for name, alias in _read(node.get("from_table")) if name in known and name not in named]
        if not read:
            continue
        rows = {
            **node,
            "modifiers": [],
            "cte_map": {"map": ctes},
            "select_list": [_reference(alias, "rowid") for _, alias in read],
            "group_expressions": [],
            "group_sets": [],
            "having": None,
            "qualify": None,
        }
        found.append((tuple(name for name, _ in read), {"error": False, "statements": [{"node": rows, "named_param_map": []}]}))
    return found


def _read(source: Any) -> Iterator[tuple[str, str]]:
    """The tables that FROM names itself, and how it calls them."""
    if not isinstance(source, Mapping):
        return
    if source.get("type") == "BASE_TABLE":
        name = _path(source, "table_name")[-1].lower()
        yield name, str(source.get("alias") or name)
    elif source.get("type") == "JOIN" and source.get("join_type") not in ("SEMI", "ANTI", "RIGHT_SEMI", "RIGHT_ANTI"):
        yield from _read(source.get("left"))
        yield from _read(source.get("right"))


def _reference(*names: str) -> dict[str, Any]:
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "query_location": 0, "column_names": list(names)}
