"""What may leave the house, and why. No I/O at all: bytes and times in, answers out."""
