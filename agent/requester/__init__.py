"""The requester's side: keys, posting to the public feed, receiving bundles."""
