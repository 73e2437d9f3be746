"""Skeletons of new files."""
