"""An oracle: what is left of a series without trend and week, by the STL of statsmodels, which sees the days after as well.

Run by the benchmark with the Python of an environment that has statsmodels. Standard input is one JSON list of numbers a line;
standard output what is left of each, without its sign.
"""

import json
import sys

from statsmodels.tsa.seasonal import STL  # type: ignore[import-not-found]


def main() -> None:
    """What is left of every line."""
    for line in sys.stdin:
        left = STL(json.loads(line), period=7).fit().resid
        sys.stdout.write(json.dumps([abs(value) for value in left]) + "\n")


if __name__ == "__main__":
    main()
