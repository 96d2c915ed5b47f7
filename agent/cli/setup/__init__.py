"""``clip-agent setup``: a device's settings, keys and broker, and its pairing with an owner."""
