"""`larder contract accept`: propose the change of a contract that would make what was delivered legal."""

import difflib

from ingestion.contracts.contract import contract
from ingestion.core.files import write_atomically
from ingestion.proposals import propose
from ingestion.sources import SOURCES
from larder.core import console
from larder.core.errors import LarderError
from larder.core.settings import PROJECT, Paths


def accept(paths: Paths, source: str, write: bool) -> None:
    """Print the change of the contract's file as a diff, and make it when `write` says so."""
    if source not in SOURCES:
        raise LarderError(f"unknown source: {source}", f"Choose from: {', '.join(SOURCES)}")
    proposal = propose(paths.lake, source)
    name = proposal.file.relative_to(PROJECT).as_posix()
    before, after = (text.splitlines(keepends=True) for text in (proposal.before, proposal.after))
    for note in proposal.notes:
        console.note(note)
    diff = "".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}"))
    if not diff:
        console.done(f"{source}: nothing to propose")
        return
    console.out.print(diff, end="")
    if not write:
        console.done(f"proposed only. Review it, then: larder contract accept {source} --write")
        return
    write_atomically(proposal.file, proposal.after)
    contract.cache_clear()
    console.done(
        f"written: {name}. Have it reviewed as any change; then: larder quarantine replay --source {source}"
    )
