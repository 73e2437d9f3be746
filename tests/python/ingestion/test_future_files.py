"""Which till files are of days that have not come: by definition, and in a second for a chain of 457 stores."""

import random
import time
from datetime import date, timedelta

from ingestion.sources.pos import future_files

TODAY = date(2017, 6, 30)


def defined(names: set[str], today: date) -> set[str]:
    """The definition, group by group against every other."""
    days: dict[str, set[date]] = {}
    for name in names:
        folder, _, group = name.partition("/")
        days.setdefault(group, set()).add(date.fromisoformat(folder.removeprefix("business_date=")))
    found = set()
    for group, delivered in days.items():
        others = [day for other in days if other != group for day in days[other] if day <= today]
        reached = max(others) if others else today
        for day in sorted(delivered):
            if day > max(today, reached) or day > reached + timedelta(days=1):
                found.add(f"business_date={day}/{group}")
            else:
                reached = max(reached, day)
    return found


def test_the_files_are_those_of_the_definition() -> None:
    chance = random.Random(1)
    for _ in range(300):
        names = {
            f"business_date={TODAY + timedelta(days=chance.randint(-9, 4))}/sales_{group}.parquet"
            for group in range(chance.randint(1, 4))
            for _ in range(chance.randint(1, 8))
        }
        assert future_files(names, TODAY) == defined(names, TODAY)


def test_a_year_of_a_chain_takes_less_than_a_second() -> None:
    names = {
        f"business_date={date(2016, 7, 1) + timedelta(days=day)}/sales_{store}.parquet"
        for store in range(457)
        for day in range(365)
    }
    started = time.process_time()
    assert future_files(names, TODAY) == set()
    assert time.process_time() - started < 1
