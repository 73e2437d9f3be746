"""Read-only answers from what is published: metrics, offers."""
