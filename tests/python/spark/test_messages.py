"""What Spark says of a row that fails has values in it, some of them of people. Needs `make setup-spark`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ingestion.core.redaction import redacted
from larder.project import spark

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not spark.ENVIRONMENT.exists(), reason="make setup-spark"),
]

PROGRAM = """
import json, sys
from pyspark.sql import SparkSession
session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
session = session.config("spark.sql.ansi.enabled", "true").getOrCreate()
session.createDataFrame([("Jane-Canary", 8675309123)], "name string, phone bigint").createOrReplaceTempView("people")
said = {}
for expression in sys.argv[1:]:
    try:
        session.sql(f"select {expression} as made from people").collect()
    except Exception as error:
        said[expression] = str(error)
print(json.dumps(said))
"""

FAILING = (
    "cast(name as int)",
    "cast(name as date)",
    "cast(name as timestamp_ntz)",
    "cast(name as decimal(18, 2))",
    "cast(name as boolean)",
    "cast(phone as int)",
    "cast(phone as decimal(3, 0))",
    "to_timestamp(name, 'yyyy')",
    "to_number(name, '999')",
    "convert_timezone(name, timestamp '2017-01-01 00:00')",
    "map_from_arrays(array(name, name), array(1, 2))",
    "encode(name, name)",
    "to_binary(name, 'hex')",
    "next_day(current_date(), name)",
    "parse_url(concat('http://', name, ' ^'), 'HOST')",
    "regexp_replace('a', concat('(', name), 'b')",
    "sequence(phone, 1, 1)",
    "phone * phone",
)


def test_no_message_has_a_value_of_a_row() -> None:
    env = {**os.environ, **spark.environment(Path())}
    process = subprocess.run(
        [spark.python(), "-c", PROGRAM, *FAILING], env=env, capture_output=True, text=True, check=True
    )
    said = json.loads(process.stdout.splitlines()[-1])
    assert said.keys() == {*FAILING}
    shown = {expression: redacted(message) for expression, message in said.items()}
    assert {
        expression: message
        for expression, message in shown.items()
        if "Canary" in message or "8675309" in message
    } == {}
    assert "[CAST_INVALID_INPUT] ***" in shown["cast(name as int)"]
    assert "cast(name as int)" in shown["cast(name as int)"], "the SQL helps, and tells nothing"
