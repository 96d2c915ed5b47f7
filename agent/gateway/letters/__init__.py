"""Letters to the owners: writing, sealing, and the outbox that repeats them until confirmed."""
