"""Sealed files, the index of them, and the ledger: shared by camera and gateway."""
