"""Pairing, the owner's side: enrol a device by its code, and get a login at its broker."""
