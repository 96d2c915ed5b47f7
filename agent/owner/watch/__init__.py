"""Being told: a watcher without a passphrase says once what waits for the owner."""
