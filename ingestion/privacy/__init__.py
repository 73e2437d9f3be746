"""What keeps people apart from their purchases: keyed pseudonyms, and the restricted zone of those who must reach them."""
