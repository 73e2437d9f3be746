"""The SQL of one table of a share: its rows, and what is said of them in share.about."""

from ingestion.core import sql
from larder.governance.grants import Column, Table
from larder.warehouse.relations import quoted

K = 5
"""Households that at least have the same quasi-identifiers, where an audience sees them generalised."""

FACTS = ("rows_left_out", "rows_made_null", "smallest_class", "households_alone", "households_below_k")
"""What is counted of a table, beside its rows: rows of too small groups; rows that lost their quasi-identifiers; and of the classes of
the same quasi-identifiers, before that, the smallest one and the households in such of one and of less than K."""

HOUSEHOLD = sql.name("household that is counted")


def rows(table: Table) -> str:
    """The rows that are shared, in an order that tells nothing: by that of the warehouse, two hashes of a household could be matched."""
    names = ", ".join(sql.name(column.name) for column in table.columns)
    coarse = table.treated("generalised")
    if not coarse or not table.household_column:
        return f"select {names} from ({_given(table)}) order by all"
    cells = [
        f"case when small.n is null then given.{cell} end as {cell}"
        if column.name in coarse
        else f"given.{cell}"
        for column in table.columns
        for cell in [sql.name(column.name)]
    ]
    same = " and ".join(f"given.{cell} is not distinct from small.{cell}" for cell in map(sql.name, coarse))
    return (
        f"with given as ({_given(table)}), small as ({_classes(coarse)} having n < {K})"
        f" select {', '.join(cells)} from given left join small on {same} order by all"
    )


def facts(table: Table) -> str:
    """One row: the FACTS, then for each sensitive column of how many values the class with the fewest has some."""
    left_out = f"select count(*) from ({_chosen(table)}) where ({_large(table)}) is not true"
    quasi = [c.name for c in table.columns if c.treatment == "generalised" or _is_seen(c, "quasi_identifier")]
    sensitive = [c.name for c in table.columns if _is_seen(c, "sensitive")]
    if not quasi or not table.household_column:
        return f"select ({left_out}), 0, null, null, null"
    coarse = [name for name in quasi if name in table.treated("generalised")]
    hidden = f"n < {K}" if coarse else "false"
    least = "".join(f", min(l{i}) filter (not ({hidden}))" for i in range(len(sensitive)))
    counts = "".join(f", count(distinct {sql.name(name)}) as l{i}" for i, name in enumerate(sensitive))
    return (
        f"with given as ({_given(table)}), classes as ({_classes(coarse or quasi, counts)})"
        f" select ({left_out}), coalesce(sum(row_count) filter ({hidden}), 0), min(n), coalesce(sum(n) filter (n = 1), 0),"
        f" coalesce(sum(n) filter (n < {K}), 0){least} from classes"
    )


def sensitive_columns(table: Table) -> list[str]:
    """Those of which `facts` tells the fewest values, in its order; none where there are no classes."""
    quasi = any(c.treatment == "generalised" or _is_seen(c, "quasi_identifier") for c in table.columns)
    counted = quasi and table.household_column
    return [c.name for c in table.columns if _is_seen(c, "sensitive")] if counted else []


def _chosen(table: Table) -> str:
    rules = [
        f"{sql.name(rule['key_column'])} in (select {sql.name(rule['key_column'])}"
        f" from {sql.name(rule['schema_name'], rule['dimension'])}"
        f" where cast({sql.name(rule['column_name'])} as varchar) in ({sql.literals(rule['listed'])}))"
        for rule in table.row_rules
    ]
    return f"select * from {quoted(table.relation)} where {' and '.join(rules) or 'true'}"


def _large(table: Table) -> str:
    return f"{sql.name(table.group_column)} >= {table.minimum_group}" if table.group_column else "true"


def _given(table: Table) -> str:
    """The cells of the chosen rows as they are treated, and the household of each row."""
    hashed = table.treated("keyed hash")
    joins = " ".join(
        f"left join hashed as h{i} on h{i}.value = chosen.{sql.name(name)}" for i, name in enumerate(hashed)
    )
    cells = [f"{_cell(column, hashed)} as {sql.name(column.name)}" for column in table.columns]
    counted = f"chosen.{sql.name(table.household_column)}" if table.household_column else "null"
    return (
        f"select {', '.join(cells)}, {counted} as {HOUSEHOLD}"
        f" from ({_chosen(table)}) as chosen {joins} where {_large(table)}"
    )


def _cell(column: Column, hashed: list[str]) -> str:
    cell = f"chosen.{sql.name(column.name)}"
    match column.treatment:
        case "as is":
            return cell
        case "keyed hash":
            return f"h{hashed.index(column.name)}.hashed"
        case "generalised":
            return f"({column.expression})"
        case "masked":
            return f"{cell} is not null"
    raise ValueError(column.treatment)


def _classes(columns: list[str], counts: str = "") -> str:
    names = ", ".join(map(sql.name, columns))
    return f"select {names}, count(*) as row_count, count(distinct {HOUSEHOLD}) as n{counts} from given group by {names}"


def _is_seen(column: Column, class_: str) -> bool:
    return column.class_ == class_ and column.treatment == "as is"
