"""The command `larder`: a thin conductor over dlt, dbt and files."""
