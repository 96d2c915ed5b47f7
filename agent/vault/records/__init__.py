"""Records beside the clips: requests, releases, notices and the ledger."""
