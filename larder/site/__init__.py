"""Pages of what is published: the catalog."""
