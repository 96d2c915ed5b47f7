"""Public posts: request files, alert files, and their publication."""
