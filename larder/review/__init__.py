"""Checks of a change before it is merged, and the files that are written for its author."""
