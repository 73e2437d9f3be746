"""What each source promises of its tables: one YAML file a source, and its form."""
