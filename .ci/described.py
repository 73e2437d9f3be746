"""How much of the project says what it is, by kind, against the floor in described.yml, which may only rise.

Reads larder.descriptions of the metadata base that `make lint` writes. `--raise` writes the floor anew, where it is higher.
"""

import argparse
import sys
from pathlib import Path

import duckdb
import yaml

BASE = Path("target/info_schema/v1/larder.descriptions.parquet")
FLOOR = Path(__file__).with_name("described.yml")
COMMAND = ".venv/bin/python .ci/described.py --raise"
HEAD = f"# The share of each kind that says more than its name. It may only rise: {COMMAND}\n"
SHARES = "select kind, floor(avg(says_something::int) * 10000) / 10000 from read_parquet(?) group by kind order by kind"
SILENT = (
    "select unique_id from read_parquet(?) where kind = ? and not says_something order by unique_id limit 10"
)


def main() -> int:
    """Say what is below the floor, with the first that say nothing, and what is above it. Returns 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--raise", dest="higher", action="store_true", help="Write the floor where it has risen."
    )
    higher = parser.parse_args().higher
    if not BASE.exists():
        sys.exit(f"there is no {BASE}; write it: .venv/bin/larder metadata {BASE.parent}")
    floor: dict[str, float] = yaml.safe_load(FLOOR.read_text())
    shares = dict(duckdb.execute(SHARES, [str(BASE)]).fetchall())
    below = [kind for kind in floor if shares.get(kind, 1.0) < floor[kind]]
    above = [kind for kind in shares if shares[kind] > floor.get(kind, -1.0)]
    for kind in below:
        silent = ", ".join(name for (name,) in duckdb.execute(SILENT, [str(BASE), kind]).fetchall())
        sys.stdout.write(
            f"{kind}: {shares[kind]:.2%} say what they are, {floor[kind]:.2%} have to; describe {silent}\n"
        )
    if higher and not below:
        FLOOR.write_text(HEAD + yaml.safe_dump(shares))
    elif above:
        sys.stdout.write(
            f"{', '.join(above)}: more is described than {FLOOR.name} says; raise it: {COMMAND}\n"
        )
    return 1 if below or (above and not higher) else 0


if __name__ == "__main__":
    sys.exit(main())
