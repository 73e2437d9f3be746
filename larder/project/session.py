"""dbt's commands one after the other in one process, which imports dbt once. Run by `larder.project.dbt.session`.

Each line of standard input is one command, as a JSON list of its arguments. dbt's log goes to standard output as JSON lines; a
line {"exit_code": N} ends each command's.
"""

import json
import sys


def main() -> None:
    """Run what is asked for, until nothing more can be."""
    from dbt.cli.main import dbtRunner

    for line in sys.stdin:
        ended = dbtRunner().invoke(json.loads(line))
        code = 0 if ended.success else 2 if ended.exception else 1
        sys.stdout.write(json.dumps({"exit_code": code}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
