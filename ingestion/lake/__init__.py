"""The raw Parquet of the sources: which loads are complete, which files readers see, what every load was given."""
