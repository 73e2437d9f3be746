"""Loads of the demo's real rows compared with DuckDB's COPY, PostgreSQL's COPY and other loaders: `python -m benchmarks.ingestion`."""
