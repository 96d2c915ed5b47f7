"""The process that sees. It has no network (but an IP camera's) and only public keys."""
