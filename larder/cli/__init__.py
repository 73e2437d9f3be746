"""The command line: options, one call, and what is shown of its result."""
