"""`larder new source`: a system that delivers a file a day, from a sample of it to a staging model and the lines of the dictionary."""

from pathlib import Path
from typing import Any

import duckdb

from ingestion.contracts.contract import parse
from ingestion.core.sql import literal
from ingestion.core.text import first_line
from larder.build.compiled import compiled
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths
from larder.project import types
from larder.project.types import Columns
from larder.review.properties import dictionary as yaml_dictionary
from larder.review.properties import fill as yaml_fill
from larder.review.properties.dictionary import FILE, Column
from larder.review.scaffold import skeletons as scaffold

SAMPLED = {"double": "decimal(18, 2)", "timestamp with time zone": "timestamp"}
"""What a sample's type becomes: a number with a fraction is taken for money."""

UNKNOWN = {"class": "sensitive", "text": "TODO: what it means, and whether it is personal."}
"""What the dictionary says of a column that nobody has thought about yet."""


def source(paths: Paths, name: str, table: str, sample: Path, owner: str) -> None:
    """Write contract, module, staging model, their YAML, and the dictionary's lines for columns that it does not know.

    Raises LarderError, and writes nothing, where a name is taken or the sample cannot be read.
    """
    scaffold.require_name(table)
    scaffold.require_free(name)
    groups = compiled(paths, "new").manifest["groups"].values()
    scaffold.require(owner, [group["name"] for group in groups], "group", "models/_groups.yml")
    dictionary, staging, folder = (
        yaml_dictionary.load(PROJECT),
        f"stg_{name}__{table}",
        Path("models/staging", name),
    )
    known = dictionary.columns
    columns = {
        column: known[column].type if column in known else SAMPLED.get(kind, kind)
        for column, kind in _sampled(sample).items()
    }
    key = next((column for column, kind in columns.items() if kind in {"bigint", "integer"}), "")
    if not key:
        raise LarderError(
            f"{sample} has no column of whole numbers", "The key is one: see docs/contracts.md."
        )
    new = {column: {"type": kind, **UNKNOWN} for column, kind in columns.items() if column not in known}
    known |= {
        c: Column(said["type"], said["text"], {"classification": said["class"]}) for c, said in new.items()
    }
    given: dict[str, Any] = {
        "source": name,
        "table": table,
        "columns": columns,
        "grain": [key],
        "owner": owner,
    }
    given |= {"name": staging, "layer": "staging", "dimensions": {}, "new": new}
    models = {staging: (str(folder), {**columns, "source_file": "varchar", "load_id": "varchar"})}
    report = yaml_fill.Report()
    files = {
        Path("ingestion/contracts", f"{name}.yml"): scaffold.render("contract.yml", **given),
        Path("ingestion/sources", f"{name}.py"): scaffold.render("source.py", **given),
        folder / f"{staging}.sql": scaffold.render("staging.sql", **given),
    }
    parse(name, next(iter(files.values())))
    for file, template in ((f"_{name}__sources.yml", "sources.yml"), (f"{staging}.yml", "model.yml")):
        content = scaffold.render(template, **given)
        files[folder / file] = yaml_fill.filled_in(str(folder / file), content, dictionary, models, report)[0]
    if new:
        lines = [line for column, said in new.items() for line in yaml_dictionary.lines_of(column, said)]
        files[Path(FILE)] = yaml_dictionary.laid_out(
            "\n".join([(PROJECT / FILE).read_text().rstrip(), *lines])
        )
    scaffold.write(files, f"larder dev {staging}", report.problems)


def _sampled(sample: Path) -> Columns:
    """Names and types of a sample's columns. Raises LarderError where it cannot be read, or a name is none."""
    try:
        with duckdb.connect() as connection:
            found = types.of_query(connection, f"(from {literal(str(sample))})")
    except duckdb.Error as error:
        raise LarderError(
            f"{sample} cannot be read: {first_line(error)}", "Name a CSV or Parquet file with a header."
        ) from error
    for column in found:
        scaffold.require_name(column)
    return found
