"""What people look up: the generated docs."""
