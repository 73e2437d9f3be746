"""Commands on the lake: ingest, quarantine, contracts, compaction."""
