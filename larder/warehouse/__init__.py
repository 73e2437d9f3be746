"""Generations: the store, and everything that opens a warehouse file."""
