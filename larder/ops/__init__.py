"""Running it: the whole run, status, doctor, clean."""
