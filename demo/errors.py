"""The one exception that a user of the demo is meant to read."""


class DemoError(Exception):
    """An expected failure. Its text is one line: what happened, and what to do next."""
