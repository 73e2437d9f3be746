"""Loads of the demo's real rows beside DuckDB's COPY, PostgreSQL's COPY and other loaders: `python -m benchmarks.ingestion`."""
