"""Rows that broke their contract, and what becomes of them."""
