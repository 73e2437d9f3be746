"""What a change of the project is."""
