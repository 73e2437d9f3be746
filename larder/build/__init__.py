"""Plan, build and test, publish: what becomes a generation, and a workspace for changes under way."""
