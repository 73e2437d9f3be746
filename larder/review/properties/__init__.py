"""Properties files, filled from the dictionary and the SQL."""
