"""What the YAML says of columns is what the dictionary and the SQL say, and the command that writes it loses nothing."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from larder.core.errors import LarderError
from larder.project import types
from larder.review.properties import dictionary as yaml_dictionary
from larder.review.properties import files as yaml_files
from larder.review.properties import fill as yaml_fill
from larder.review.properties import flow as yaml_flow
from larder.review.properties.fill import Report

DICTIONARY = """# The head stays.
classes: {public: Anybody., internal: We.}
tiers: {core: A mart.}
units: [USD, items]
columns:
  # What the till counts.
  units: {type: bigint, class: internal, unit: items, text: "Whole items, of lines that count them: a volume is none of them, and neither is a deposit, which is why it is long."}
  store_id: {type: bigint, class: public}
  sales_usd: {type: "decimal(18, 2)", class: internal, unit: USD, doc: money}
"""
MODEL = """version: 2

# About the file.
models:
  - name: agg_stores
    # About the text.
    description: |-
      One row per store. # This is no comment.

      ```sql
      select 1
      ```
    config:
      group: sales
      meta:
        owner: sales
        grain: [store_id]
    constraints:
      # Nothing is returned.
      - type: check
        expression: coalesce(units, 0) >= 0
      - type: check
        expression: sales_usd >= 0
    data_tests:
      - primary_key:
          arguments:
            columns: [store_id]
    columns:
      - name: sales_usd
        data_type: decimal(18, 2)
        constraints:
          - type: not_null # of the contract

      # The shop.
      - name: store_id
        data_tests:
          - relationships:
              arguments:
                to: ref('dim_stores')
                field: store_id
      - name: gone
        data_type: varchar

unit_tests:
  - name: it_counts
    model: agg_stores
    overrides:
      macros:
        is_incremental: false
    given:
      - input: ref('lines') # as they are
        rows:
          - {store_id: 1, units: 2, sold_on: 2017-01-01}
    expect:
      rows: []
"""
COMPACT = """# About the file.
models:
  - name: agg_stores
    # About the text.
    description: |-
      One row per store. # This is no comment.

      ```sql
      select 1
      ```
    config: {group: sales, meta: {owner: sales, grain: [store_id]}}
    constraints:
      # Nothing is returned.
      - {type: check, expression: "coalesce(units, 0) >= 0"}
      - {type: check, expression: sales_usd >= 0}
    data_tests: [{primary_key: {arguments: {columns: [store_id]}}}]
    columns:
      # The shop.
      - {name: store_id, data_type: bigint,
         description: "{{ doc('store_id') }}", config: {meta: {classification: public}},
         data_tests: [{relationships: {arguments: {to: ref('dim_stores'), field: store_id}}}]}
      - {name: units, data_type: bigint,
         description: "Whole items, of lines that count them: a volume is none of them, and neither is a deposit, which is why it
           is long.",
         config: {meta: {classification: internal, unit: items}}}
      # of the contract
      - {name: sales_usd, data_type: "decimal(18, 2)", constraints: [{type: not_null}],
         description: "{{ doc('money') }}", config: {meta: {classification: internal, unit: USD}}}

unit_tests:
  - name: it_counts
    model: agg_stores
    overrides: {macros: {is_incremental: false}}
    given:
      - input: ref('lines') # as they are
        rows:
          - {store_id: 1, units: 2, sold_on: 2017-01-01}
    expect:
      rows: []
"""
SQL = {"store_id": "bigint", "units": "bigint", "sales_usd": "decimal(18, 2)"}
FILE = "models/agg_stores.yml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for file, content in {
        "governance/columns.yml": DICTIONARY,
        "models/_docs/columns.md": "{% docs store_id %}\nShop.\n{% enddocs %}\n{% docs money %}\nUSD.\n{% enddocs %}\n",
        FILE: MODEL,
    }.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def fill(project: Path, *names: str, sql: dict[str, str] | None = None) -> Report:
    """What the command does with one model, whose SQL has these columns."""
    models = {"agg_stores": ("models", sql or SQL)}
    report = yaml_fill.compare(project, yaml_dictionary.load(project), models, names)
    for path, content in report.files.items():
        path.write_text(content)
    return report


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_a_file_is_filled_in_the_order_of_the_sql_and_a_second_time_changes_nothing(project: Path) -> None:
    report = fill(project)
    assert (project / FILE).read_text() == COMPACT
    assert report.problems == []
    assert report.changes == [
        f"{FILE}: gone: removed, the SQL has no such column",
        f"{FILE}: units: added from the SQL",
    ]
    assert fill(project) == Report()


def test_the_compact_form_says_the_same_and_keeps_every_comment() -> None:
    laid = yaml_files.laid_out(MODEL, lambda table: table.items)
    before = yaml.safe_load(MODEL)
    del before["version"]
    assert yaml.safe_load(laid) == before
    for comment in ("# About the file.", "# About the text.", "# Nothing is returned.", "# of the contract"):
        assert laid.count(comment) == 1
    assert yaml_files.laid_out(laid, lambda table: table.items) == laid


def test_what_contradicts_the_dictionary_is_named_and_replaced_unless_it_is_meant(project: Path) -> None:
    fill(project)
    public = "classification: public}},\n         data_tests"
    edit(project / FILE, public, public.replace("public", "internal"))
    (change,) = fill(project).changes
    assert change == (
        f"{FILE}: store_id: class is 'internal', governance/columns.yml says 'public', which larder yaml writes; "
        "to keep the other, say `# differs: class` above the column"
    )
    assert (project / FILE).read_text() == COMPACT
    edit(project / FILE, public, public.replace("public", "internal"))
    edit(project / FILE, "# The shop.\n", "# The shop.\n      # differs: class, unit. For a reason.\n")
    assert fill(project).changes == []
    meant = (project / FILE).read_text()
    assert (
        "# differs: class. For a reason.\n" in meant
        and "classification: internal}},\n         data_tests" in meant
    )
    edit(
        project / FILE,
        "classification: internal}},\n         data_tests",
        "classification: secret}},\n         data_tests",
    )
    assert fill(project).problems == [
        f"{FILE}: store_id: class 'secret' is none of public, internal, see governance/columns.yml"
    ]
    (project / FILE).write_text(meant)
    edit(project / "governance/columns.yml", "class: public}", "class: internal}")
    fill(project)
    assert "differs" not in (project / FILE).read_text()
    edit(project / FILE, "# The shop.\n", "# differs: colour\n")
    assert fill(project).problems == [
        f"{FILE}: store_id: `# differs: colour`: it may name type, text, class, unit, synthetic"
    ]


def test_a_changed_fact_of_the_dictionary_reaches_every_file(project: Path) -> None:
    fill(project)
    edit(project / "governance/columns.yml", "unit: USD, doc: money", 'unit: items, text: "Sold."')
    assert set(fill(project).files) == {project / FILE}
    assert (
        'description: "Sold.", config: {meta: {classification: internal, unit: items}}'
        in (project / FILE).read_text()
    )


def test_a_column_that_nobody_has_described_gets_its_type_and_the_line_to_add(project: Path) -> None:
    report = fill(project, sql={**SQL, "shelf": "varchar"})
    assert report.problems == [
        f"{FILE}: shelf: not in governance/columns.yml yet; add the line: "
        'shelf: {type: varchar, class: public|internal, text: "…"}'
    ]
    assert "- {name: shelf, data_type: varchar}\n" in (project / FILE).read_text()


def test_a_type_that_the_sql_does_not_give_is_refused(project: Path) -> None:
    (problem,) = fill(project, sql={**SQL, "sales_usd": "double"}).problems
    assert problem.startswith(
        f"{FILE}: sales_usd: the SQL gives double, governance/columns.yml says decimal(18, 2): cast it"
    )
    edit(project / FILE, "# of the contract", "# differs: type")
    assert fill(project, sql={**SQL, "sales_usd": "double"}).problems == []
    assert "{name: sales_usd, data_type: double, " in (project / FILE).read_text()


def test_a_model_without_a_file_gets_one(project: Path) -> None:
    (project / FILE).unlink()
    assert list(fill(project).files) == [project / FILE, project / "governance/columns.yml"]
    assert [table.name for table in yaml_files.tables((project / FILE).read_text())] == ["agg_stores"]


def test_a_model_without_columns_gets_them_and_its_neighbour_stays(project: Path) -> None:
    other = "  - name: other\n    columns: # none\n      - name: store_id\n"
    (project / FILE).write_text("models:\n  - name: agg_stores\n    description: Stores.\n\n" + other)
    fill(project)
    first, second = yaml.safe_load((project / FILE).read_text())["models"]
    assert [column["name"] for column in first["columns"]] == list(SQL)
    assert second["columns"][0]["config"]["meta"] == {"classification": "public"}
    assert "\n\n  - name: other\n    columns: # none\n      - {" in (project / FILE).read_text()


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" ")) | st.sampled_from(
    [
        "true",
        "null",
        "~",
        "1.0",
        "1_000",
        "2017-01-01",
        "- a",
        "a: b",
        "a #b",
        "?",
        "<<",
        "=",
        "yes",
        "'a'",
        "{{ x }}",
        "a,b",
    ]
)
KEYS = st.from_regex("[a-z_]{1,30}", fullmatch=True)
VALUES = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=3), st.integers(0, 20))
def test_what_is_written_is_read_as_it_was(value: dict[str, Any], indent: int) -> None:
    assert yaml.load(yaml_flow.flow(value), yaml_flow.LOADER) == value
    for key, item in value.items():
        lines = yaml_flow.entry(key, item, indent)
        assert yaml.load("{" + "\n  ".join(lines) + "}", yaml_flow.LOADER) == {key: item}


def test_comments_inside_of_brackets_stay() -> None:
    text = (
        "models:\n  - name: a\n    config: {materialized: table, # small\n      meta: {grain: [a]}} # one\n"
    )
    assert yaml_files.laid_out(text, lambda table: table.items) == text


def test_seeds_and_sources_are_filled_as_well(project: Path) -> None:
    (project / "seeds").mkdir()
    (project / "seeds/shops.yml").write_text(
        "seeds:\n  - name: shops\n    config:\n      column_types: {}\n    columns:\n      - name: store_id\n"
    )
    (project / "models/_pos__sources.yml").write_text(
        "sources:\n  - name: pos\n    tables:\n      - name: lines\n        columns:\n          - name: units\n"
    )
    fill(project)
    assert (project / "seeds/shops.yml").read_text() == (
        "seeds:\n  - name: shops\n    config: {column_types: {store_id: bigint}}\n    columns:\n      - {name: store_id, "
        "data_type: bigint, description: \"{{ doc('store_id') }}\", config: {meta: {classification: public}}}\n"
    )
    (source,) = yaml.safe_load((project / "models/_pos__sources.yml").read_text())["sources"]
    assert source["tables"][0]["columns"][0]["config"]["meta"] == {
        "classification": "internal",
        "unit": "items",
    }


def test_names_restrict_it_and_an_unknown_one_is_refused(project: Path) -> None:
    (project / "models/other.yml").write_text("models:\n  - name: other\n    columns:\n      - name: units\n")
    ordered = project / "governance/columns.yml"  # the dictionary is laid out with any of them
    assert {*fill(project, "other").files} - {ordered} == {project / "models/other.yml"}
    with pytest.raises(LarderError) as refused:
        fill(project, "agg_store")
    assert refused.value.next_step == "Did you mean: agg_stores"


def test_the_dictionary_names_what_it_allows(project: Path) -> None:
    (project / "governance/columns.yml").write_text(
        DICTIONARY
        + "  bad: {type: bigint, class: secret, unit: pounds, colour: red}\n  worse: {class: public, doc: mony}\n"
    )
    assert fill(project, "agg_stores").problems == [
        "governance/columns.yml: bad: class 'secret' is none of public, internal",
        "governance/columns.yml: bad: unit 'pounds' is none of USD, items; a new one is added under units in the same file",
        "governance/columns.yml: bad: has no text, and models/_docs/columns.md no block bad: write text, or the block",
        "governance/columns.yml: bad: says colour; it may say class, doc, synthetic, text, type, unit",
        "governance/columns.yml: worse: says no type",
        "governance/columns.yml: worse: has no text, and models/_docs/columns.md no block mony (there are money): "
        "write text, or the block",
    ]


def test_the_dictionary_is_sorted_and_says_nothing_twice_or_of_nothing(project: Path) -> None:
    path = project / "governance/columns.yml"
    path.write_text(DICTIONARY + "  unused: {type: bigint, class: public, text: Nothing.}\n")
    assert fill(project).problems == [
        "governance/columns.yml: unused: no model, seed or source has such a column; remove the line"
    ]
    lines = path.read_text().splitlines()
    assert (
        lines[0] == "# The head stays."
        and lines[5].startswith("  sales_usd")
        and lines[7].startswith("  # What the")
    )
    assert lines[8:10] == [
        "  units: {type: bigint, class: internal, unit: items,",
        '    text: "Whole items, of lines that count them: a volume is none of them, and neither is a deposit, which is why it is long."}',
    ]
    path.write_text(DICTIONARY + "  units: {type: bigint, class: public, text: Other.}\n")
    with pytest.raises(LarderError, match=r"says units \(line 10\) twice"):
        fill(project)


def test_types_are_those_that_duckdb_finds_without_data() -> None:
    nodes = {
        "seed.x.rates": {
            "resource_type": "seed",
            "schema": "seeds",
            "alias": "rates",
            "depends_on": {},
            "columns": {"rate": {"name": "rate", "data_type": "decimal(9, 4)"}},
        },
        "model.x.late": {
            "resource_type": "model",
            "name": "late",
            "original_file_path": "models/late.sql",
            "schema": "marts",
            "alias": "late",
            "depends_on": {"nodes": ["model.x.early"]},
            "compiled_code": 'select count(*) as n, max(sold_at) as last_at from "larder"."staging"."early"',
        },
        "model.x.early": {
            "resource_type": "model",
            "name": "early",
            "schema": "staging",
            "alias": "early",
            "depends_on": {"nodes": ["source.x.pos.lines", "seed.x.rates"]},
            "compiled_code": 'select "sold at" as sold_at, rate from raw.pos__lines cross join seeds.rates -- the end',
        },
    }
    source = {
        "schema": "raw",
        "identifier": "pos__lines",
        "columns": {"a": {"name": "sold at", "data_type": "timestamp"}},
    }
    measure = {"name": "rows", "expr": "n"}
    semantic = {
        "name": "lates",
        "original_file_path": "models/sem.yml",
        "node_relation": {"schema_name": "marts", "alias": "late"},
        "entities": [],
        "dimensions": [{"name": "last_at", "expr": None}],
        "measures": [measure],
    }
    manifest = {
        "nodes": nodes,
        "sources": {"source.x.pos.lines": source},
        "semantic_models": {"lates": semantic},
    }
    assert types.of_models(manifest) == {
        "model.x.early": {"sold_at": "timestamp", "rate": "decimal(9, 4)"},
        "model.x.late": {"n": "bigint", "last_at": "timestamp"},
    }
    measure["expr"] = "m + 1"
    with pytest.raises(
        LarderError, match=r"models/sem\.yml: rows of semantic model lates: Binder Error.*\"m\" not found"
    ):
        types.of_models(manifest)
    nodes["model.x.late"]["compiled_code"] = "select nothing from dim_stores"
    with pytest.raises(
        LarderError, match=r"models/late\.sql: model late: Catalog Error.*ref\('dim_stores'\)"
    ):
        types.of_models(manifest)
