"""The public log: checkpoints, proofs, and the view that a device keeps."""
