"""The requester's terminal: commands and their output."""
