"""Posts of the public feed: from bytes to an open request, a notice or a refusal."""
