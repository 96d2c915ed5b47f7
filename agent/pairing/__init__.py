"""Pairing: an owner's computer and a device meet through the broker and exchange their cards.

Both know a short code that the device shows. The messages, in their order::

    owner  → device   hello      a session id, and the owner's share of SPAKE2
    device → owner    answer     the device's share, and its proof that it knows the code
    owner  → device   introduce  the owner's proof, and sealed: card and computer
    device → owner    sealed     the device's card, and a login at the broker
    owner  → device   sealed     the owner has stored that, or refuses it
    device → owner    sealed     the device has stored the owner's card, or refuses it

SPAKE2 (RFC 9382) turns the code into a strong key, and each run tests a single code: whoever
listens learns nothing to test others with, whoever answers in place of one side has one guess.
Nothing is used before the other side has proved that it has the key. The proofs are MACs, as an
authenticated cipher alone would open under many keys (Len, Grubbs and Ristenpart, "Partitioning
Oracle Attacks", 2021). The device answers one hello a code; what follows decides the fate of the
code, and after a failure it shows a new one.

The broker can drop messages, and with that prevent a pairing; that is all it can do.
"""
