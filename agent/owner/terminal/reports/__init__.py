"""Reports of the cameras: the last status of each, and its ledger."""
