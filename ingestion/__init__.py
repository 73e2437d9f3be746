"""Extract from the source systems, check, and append to the lake with dlt. Knows nothing of dbt or of `larder`."""
