"""A recorded clip trimmed and redacted: the same code for the gateway's release and the preview."""
