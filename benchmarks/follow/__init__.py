"""How long an event of a till takes until it is published: `python -m benchmarks.follow`."""
