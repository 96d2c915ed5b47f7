"""Passkeys: WebAuthn credentials that open the owner's keys, beside the passphrase.

An authenticator (a phone, a laptop, a security key) computes a secret of 32 bytes for a salt that
we name: the PRF extension (W3C Web Authentication Level 3, section 10.1.4). A key derived from that
secret wraps the owner's keys, a file for each passkey. So the files alone open nothing, and a
passkey opens nothing without the files.

The authenticator also signs a challenge. Ours is the digest of a purpose, a browser's session and,
for a decision, of exactly what the last page showed: an answer opens the keys for that one thing.

``record`` and ``wrap`` define the file, ``store`` keeps it. ``relying_party`` names the site,
``challenges`` are the open questions, ``webauthn_rules`` judges answers, and ``passkeys`` puts
them together.
"""
