"""The decision what may leave the device. No I/O: bytes and times in, answers out."""
