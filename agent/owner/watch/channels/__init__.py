"""Ways to the owner: a command, ntfy, the desktop, and lines of text."""
