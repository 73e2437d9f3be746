"""`larder forget`: take a household out of everything that Larder holds, prove it, and have no source bring it back.

The plan is written down before anything is changed (ingestion/privacy/forgotten.py). Each step can be done again: after Ctrl-C or a
kill the same command carries the plan out to its end.
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.compute as pc

from ingestion import erasure
from ingestion.core.files import write_atomically
from ingestion.core.text import few
from ingestion.lake.loads import recorded_loads, table_files
from ingestion.privacy import forgotten
from ingestion.quarantine.store import Quarantine
from ingestion.sources import SOURCES
from larder.build import candidate, publish
from larder.core import console, machine
from larder.core.errors import LarderError
from larder.core.settings import Paths, engine, use_demo_connections
from larder.governance import holders, traces
from larder.governance.household import identifiers, named, tables
from larder.governance.traces import Sought
from larder.site import publish as site
from larder.warehouse import export, table_hash
from larder.warehouse.connection import QUERY
from larder.warehouse.locks import lock, source_lock
from larder.warehouse.relations import quoted
from larder.warehouse.store import Store

Plan = dict[str, Any]

OWN = re.compile(r"@|(\d\D?){7}")
"""What an identifier has that nobody else's has: an e-mail address or a phone number, and no name."""

LOCKS = ("build", "dev", "review", "export", "catalog")

RESUME = "Run again, it goes on where it was: larder forget --resume"


def run(paths: Paths, number: int | None, pseudonym: int | None, reason: str, is_dry: bool) -> None:
    """Forget the household that the source calls `number`, or that Larder calls `pseudonym`; `is_dry` only shows what there is."""
    if not reason.strip():
        raise LarderError("an erasure needs a reason", "Say why: --reason TEXT")
    holders.require_known(paths)
    household = named(paths, number, pseudonym)
    with locked(paths):
        plan = forgotten.journal(paths.lake)
        if plan and plan["pseudonym"] != household:
            raise LarderError("another erasure is under way", RESUME)
        plan = plan or _plan(paths, household, number, reason.strip())
        if plan["total"] and not is_dry:  # before anybody else may load
            forgotten.begin(paths.lake, plan)
    render(plan)
    if is_dry:
        console.done("nothing was changed")
    elif plan["total"]:
        carry_out(paths, plan)
    else:  # not registered: a number that is mistyped would forbid somebody else for ever
        known = household in forgotten.forgotten(paths.lake).to_pylist()
        console.done(
            "it was forgotten before" if known else "nobody knows this household: nothing was changed"
        )


def resume(paths: Paths) -> None:
    """Carry out the plan that an interrupted erasure or retention has left."""
    plan = forgotten.journal(paths.lake)
    if plan is None:
        if forgotten.is_marked(paths.lake):  # killed before it had written down what to do
            with locked(paths):
                if forgotten.journal(paths.lake) is None:
                    forgotten.end(paths.lake)
        console.done("no erasure is under way")
        return
    use_demo_connections(paths)
    carry_out(paths, plan)


@contextmanager
def locked(paths: Paths) -> Iterator[None]:
    """Nobody else reads or writes what an erasure changes."""
    with ExitStack() as held:
        for source in SOURCES:
            held.enter_context(source_lock(paths, source))
        for name in LOCKS:
            held.enter_context(lock(paths.locks, name))
        yield


def draft(
    paths: Paths, wanted: dict[str, erasure.Wanted], entries: dict[str, list[Any]], reason: str
) -> Plan:
    """A plan to take rows out of the lake, and entries out of the quarantine, by source."""
    now = datetime.now(UTC)
    plan: Plan = {
        "id": now.strftime("%Y%m%dT%H%M%S%fZ"),
        "pseudonym": None,
        "reason": reason,
        "by": machine.user(),
        "at": now.isoformat(timespec="seconds"),
        "wanted": wanted,
        "sources": {
            name: erasure.plan(paths.lake, name, wanted[name], entries.get(name, [])) for name in wanted
        },
        "texts": [],
        "number": None,
        "restricted": 0,
        "marts": {},
    }
    plan["others"] = _others(paths, plan)
    plan["total"] = sum(
        sum(one["rows"].values()) + len(one["quarantined"]) for one in plan["sources"].values()
    )
    return plan


def _plan(paths: Paths, household: int, number: int | None, reason: str) -> Plan:
    wanted = {source: erasure.of_household(source, household) for source in SOURCES}
    entries = {source: Quarantine(paths.lake, source).of_household(household) for source in SOURCES}
    plan = draft(paths, wanted, entries, reason)
    people = [person for _, person in identifiers(paths, household)]
    plan |= {
        "pseudonym": household,
        "number": number if number is not None else next((one["source_number"] for one in people), None),
        "texts": [str(household), *sorted(set(_own_texts(paths, household)))],
        "restricted": len(people),
        "marts": _marts(paths, household),
        "total": plan["total"] + len(people),
    }
    built = sum(mart["rows"] for mart in plan["marts"].values())
    if household in forgotten.forgotten(paths.lake).to_pylist():
        plan["total"] += built  # another machine has erased the rest, and has generations of its own
    elif built and not sum(sum(one["rows"].values()) for one in plan["sources"].values()):
        raise LarderError(
            f"the published generation has {built:,} rows of this household, and the lake has none that they come from",
            "Nothing was changed. The lake is another one than it was built from: larder status",
        )
    return plan


def _own_texts(paths: Paths, household: int) -> Iterator[str]:
    """The identifiers that no other household has as well."""
    for rows, person in identifiers(paths, household):
        for name, value in person.items():
            if (
                isinstance(value, str)
                and OWN.search(value)
                and pc.sum(pc.equal(rows[name], value)).as_py() == 1
            ):
                yield value


def _marts(paths: Paths, household: int) -> dict[str, dict[str, Any]]:
    """For each table of the published generation that names households, its rows of this one, and a hash of all others."""
    store = Store(paths.warehouse)
    published = store.published()
    if published is None:
        return {}
    with store.open(published, QUERY) as connection:
        return {table: _of_mart(connection, table, household) for table in tables(connection)}


def _of_mart(connection: duckdb.DuckDBPyConnection, table: str, household: int) -> dict[str, Any]:
    is_mine = f"household_id is not distinct from {household}"
    mine = connection.execute(f"select count(*) from {quoted(table)} where {is_mine}").fetchone() or (0,)
    others = connection.execute(f"select {table_hash.COLUMNS} from {quoted(table)} as t where not {is_mine}")
    rows, *hashes = others.fetchone() or (0, 0, 0)
    return {"rows": mine[0], "others": [rows, table_hash.digest(*hashes)]}


def _others(paths: Paths, plan: Plan) -> dict[str, list[str]]:
    """What the files of complete loads have besides, by name."""
    found: dict[str, list[str]] = {}
    for source, wanted in plan["wanted"].items():
        dataset = paths.lake / "raw" / source
        for table, where in wanted.items():
            found |= traces.others(table_files(dataset, table, recorded_loads(dataset)), where)
    return found


def render(plan: Plan) -> None:
    """Print what each holder has."""
    rows: list[list[Any]] = [
        [f"lake: {source}.{table}", count]
        for source, one in plan["sources"].items()
        for table, count in one["rows"].items()
    ]
    rows += [
        [f"quarantine: {name}", len(one["quarantined"])]
        for name, one in plan["sources"].items()
        if one["quarantined"]
    ]
    rows += [["restricted zone", plan["restricted"]]] if plan["restricted"] else []
    rows += [[f"published: {mart}", said["rows"]] for mart, said in plan["marts"].items() if said["rows"]]
    console.table("What there is", ["holder", "rows"], rows)


def carry_out(paths: Paths, plan: Plan) -> None:
    """Do what is planned, from wherever an earlier call was interrupted, and write the receipt."""
    with lock(paths.locks, "forget"):  # what one call builds again, another one would take away
        with locked(paths):
            forgotten.begin(paths.lake, plan)
            if plan["pseudonym"] is not None:
                forgotten.register(paths.lake, plan["pseudonym"])
            holders.remove(paths)
            if not plan.get("is_lake_done"):
                _erase(paths, plan)
                _require_others(paths, plan)
                plan["is_lake_done"] = True
                forgotten.begin(paths.lake, plan)
        store = Store(paths.warehouse)
        if store.published():
            _build_again(paths, store, plan)
        _receipt(paths, plan, _verified(paths, plan))
        forgotten.end(paths.lake)


def _erase(paths: Paths, plan: Plan) -> None:
    for source, wanted in plan["wanted"].items():
        with console.progress(f"erase from {source}"):
            erasure.erase(paths.lake, source, wanted, plan["sources"][source])
            if plan["pseudonym"] is not None:
                erasure.erase_person(paths.lake, source, plan["pseudonym"])


def _require_others(paths: Paths, plan: Plan) -> None:
    """Every row that is of nobody who is erased is there, as it was."""
    now, before = _others(paths, plan), plan["others"]
    odd = [file for file in before.keys() | now if before.get(file) != now.get(file)]
    if odd:
        raise LarderError(
            f"other rows than those of the household have changed in {few(sorted(odd))}",
            "Restore these files from a copy of the lake, then: larder forget --resume",
        )


def _build_again(paths: Paths, store: Store, plan: Plan) -> None:
    """Build from the lake what is published, and let no other generation stay."""
    published = store.published()
    if not plan.get("generation") or not published or published.id != plan["generation"]:
        candidate.run(paths, everything=True, engine=engine())
        published = publish.run(paths, erased=True)
        plan["generation"] = published.id if published else None
        forgotten.begin(paths.lake, plan)
    else:  # a call that was interrupted has published it, and this one has taken the shares away
        publish.share(paths, erased=True)
    if published:
        with lock(paths.locks, "build"):
            store.remove_others(published)
    site.run(paths)
    export.run(paths)


def _verified(paths: Paths, plan: Plan) -> list[str]:
    """The files of the sources' own deliveries that name the household. Raises LarderError where any other file still does."""
    if plan["pseudonym"] is None:
        return []
    sought = Sought(tuple(plan["texts"]), plan["number"])
    # named in the receipt, or said why; what is served is loaded afresh from the shares, which are searched
    kept = {"landing", "demo", "lake/forgotten.jsonl", "audit", "serving"}
    mine = [path for one in holders.HOLDERS if one.place not in kept for path in holders.found(paths, one)]
    with console.progress("verify"):
        found = traces.find(mine, sought, paths.warehouse)
        delivered = traces.find([paths.data / "landing"], sought, paths.warehouse)
    found = [file for file in found if file != str(forgotten.journal_file(paths.lake))]
    if found:
        raise LarderError(f"the household is still named in {few(found)}", RESUME)
    return delivered


def _receipt(paths: Paths, plan: Plan, delivered: list[str]) -> None:
    """What proves the erasure: no identifier is in it, and the pseudonym leads to nothing any more."""
    now = _marts(paths, plan["pseudonym"]) if plan["pseudonym"] is not None else {}
    receipt = {
        name: plan[name] for name in ("id", "pseudonym", "reason", "by", "at", "restricted", "others")
    } | {
        "completed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": {name: one["rows"] for name, one in plan["sources"].items() if one["rows"]},
        "quarantined": {
            name: len(one["quarantined"]) for name, one in plan["sources"].items() if one["quarantined"]
        },
        "generation": plan.get("generation"),
        "marts": {
            mart: {
                "rows": said["rows"],
                "left": now[mart]["rows"] if mart in now else 0,
                "others": "unchanged"
                if mart in now and now[mart]["others"] == said["others"]
                else "calculated again",
            }
            for mart, said in plan["marts"].items()
        },
        "holders": {holder.place: f"{holder.treatment}: {holder.why}" for holder in holders.HOLDERS},
        "still_named_in_nothing_but": delivered,
    }
    file = receipts(paths) / f"{plan['id']}.json"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(file, json.dumps(receipt, indent=2, ensure_ascii=False) + "\n")
    console.done(f"{plan['total']:,} rows erased; the receipt is {file}")
    if delivered:
        console.note(
            f"{len(delivered):,} files that the source delivered still name it, and are the source's to erase: {few(delivered)}"
        )


def receipts(paths: Paths) -> Path:
    """Where receipts are kept."""
    return paths.data / "audit" / "erasures"
