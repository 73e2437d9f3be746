"""Who may see what, and what is on record of it."""
