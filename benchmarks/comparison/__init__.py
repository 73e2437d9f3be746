"""How long two tables of ten million rows take to compare, and how much memory."""
