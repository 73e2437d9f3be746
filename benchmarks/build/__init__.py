"""What dbt adds to the SQL that it runs, and what one more day costs: `python -m benchmarks.build`."""
