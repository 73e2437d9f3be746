"""Dagster around Larder: what it makes as assets, and `larder run` as one process for each run. Nothing imports this."""
