"""Everything below the data root, and what an erasure does with it. What is not in this list is an error: nobody would look there."""

from dataclasses import dataclass

from ingestion.core import storage
from ingestion.core.storage import Location
from ingestion.privacy.restricted import root
from larder.core.errors import LarderError
from larder.core.settings import Paths
from larder.warehouse import mirror

REWRITTEN, REMOVED, BUILT, KEPT = "rewritten", "removed", "built again", "kept"

INSIDE = ("lake", "warehouse", "history", "site")
"""Folders whose parts are holders of their own."""


@dataclass(frozen=True)
class Holder:
    """A place below the data root, by a pattern; what becomes of it, and why."""

    place: str
    treatment: str
    why: str


HOLDERS = [
    Holder(
        "lake/raw",
        REWRITTEN,
        "all files of the tables with households, under their names; the accounts of loads",
    ),
    Holder("lake/quarantine", REWRITTEN, "payloads, and what was decided about them"),
    Holder("restricted", REWRITTEN, "the household's identifiers"),
    Holder(
        "lake/forgotten.jsonl",
        KEPT,
        "the register, by pseudonym: so that no source brings the household back",
    ),
    Holder("lake/pseudonyms.json", KEPT, "fingerprints of keys"),
    Holder("lake/erasing.json", KEPT, "that an erasure is under way, where the lake is in a bucket"),
    Holder("lake/_locks", KEPT, "names of processes, where the lake is in a bucket"),
    Holder("lake/.*", REMOVED, "files that a kill left half-written"),
    Holder("dlt", REMOVED, "loads under way, which are begun again, and the indexes of known versions"),
    Holder("warehouse/generations", BUILT, "from the lake; all others go, the failed ones too"),
    Holder("warehouse/current", BUILT, "the pointer to one of them"),
    Holder("warehouse/current.new", REMOVED, "the pointer of a publication that was killed"),
    Holder("warehouse/building", BUILT, "the pointer to one of them"),
    Holder("warehouse/spark", BUILT, "files of Spark's tables: all go that the new generation does not name"),
    Holder("warehouse/dev", REMOVED, "developers' warehouses and workspaces"),
    Holder("warehouse/review", REMOVED, "what reviews built"),
    Holder("warehouse/spill-*", REMOVED, "what queries spilled"),
    Holder("warehouse/tmp*", REMOVED, "what dbt spilled"),
    Holder("review", REMOVED, "reports of reviews, which show rows"),
    Holder("history/dbt", REMOVED, "logs, and messages of failed tests, which show values"),
    Holder("history/runs", REMOVED, "events of runs, whose reasons repeat what failed"),
    Holder("history/generations", KEPT, "what generations consist of, in names and counts of tables"),
    Holder("history/*.log", REMOVED, "what unexpected errors said"),
    Holder("history/.*", REMOVED, "files that a kill left half-written"),
    Holder("history/freshness.json", KEPT, "when sources were last read"),
    Holder(
        "history/alerts.json",
        REMOVED,
        "what is wrong, in words that may repeat what failed; it is found again",
    ),
    Holder("history/larder.prom", KEPT, "figures for a monitor"),
    Holder("history/backfills", KEPT, "days that are loaded again"),
    Holder("history/lineage.json", KEPT, "the project's SQL, no data"),
    Holder("history/compiled.json", KEPT, "the project's SQL, no data"),
    Holder("history/locks", KEPT, "names of processes"),
    Holder("export", REMOVED, "written again"),
    Holder("site/*", REMOVED, "reports, catalog and docs, which are written again"),
    Holder("site/.*", REMOVED, "earlier pages, for whoever was reading them"),
    Holder("pages", REMOVED, "reports for single audiences, which are written again"),
    Holder("shares", REMOVED, "written again by the publication"),
    Holder(
        "serving",
        BUILT,
        "the server of shares, made afresh from them; another one is loaded again, its owner has logs and backups",
    ),
    Holder("science", REMOVED, "scores by household; the models' commands write them again"),
    Holder("target", REMOVED, "dbt's artifacts"),
    Holder("dagster", REMOVED, "what Dagster keeps of runs, whose reasons repeat what failed"),
    Holder(
        "landing",
        KEPT,
        "the source's own delivery: who delivered it must erase it there; named in the receipt",
    ),
    Holder("demo", KEPT, "the demo's source systems"),
    Holder(
        "audit",
        KEPT,
        "what is on record: who asked for contacts or a report, and receipts of erasures; by pseudonym at most",
    ),
]


def address(paths: Paths, place: str) -> Location:
    """Where a place is: the lake and the restricted zone may lie elsewhere."""
    first, _, rest = place.partition("/")
    base = {"lake": paths.lake, "restricted": root(paths.lake)}.get(first, paths.data / first)
    return base / rest if rest else base


def found(paths: Paths, holder: Holder) -> list[Location]:
    """The files and folders of a holder that are there."""
    place = address(paths, holder.place)
    return storage.found(place.parent, place.name) if place.parent.is_dir() else []


def require_known(paths: Paths) -> None:
    """Raise LarderError for a file or folder that no holder names, and while Dagster runs: what it remembers is removed."""
    if (running := paths.data / "dagster/postgres/postmaster.pid").exists():
        raise LarderError(
            "Dagster runs, and an erasure removes what it remembers of runs",
            f"Stop it (Ctrl-C in make dagster, or its service). After a crash, where it does not run: rm {running}",
        )
    known = {path for holder in HOLDERS for path in found(paths, holder)}
    there: list[Location] = [path for path in paths.data.glob("*") if path.name not in INSIDE]
    there += [path for name in INSIDE for path in address(paths, name).glob("*")]
    unknown = sorted(path for path in there if path not in known)
    if unknown:
        raise LarderError(
            f"nobody knows what is in {', '.join(map(str, unknown))}",
            "Move it away, or name it in larder/governance/holders.py with what an erasure does there. Nothing was changed.",
        )


def remove(paths: Paths) -> None:
    """Take away what is not rewritten: all of it can be made again."""
    for holder in HOLDERS:
        for path in found(paths, holder) if holder.treatment == REMOVED else ():
            storage.remove_all(path)
    for name in ("export", "shares", "site"):
        if target := paths.bucket(name):
            for shown in [target, *(storage.found(target, "*/") if name == "shares" else ())]:
                mirror.withdraw(shown)
