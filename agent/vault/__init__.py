"""What camera and gateway share: sealed files, the index of them, and the ledger."""
