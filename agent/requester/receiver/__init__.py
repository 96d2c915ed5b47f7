"""The upload receiver: a tus server and its stored uploads."""
