"""What a change does to tables and metrics."""
