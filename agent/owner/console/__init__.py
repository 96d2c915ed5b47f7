"""The owner's web pages: the second face of :mod:`agent.owner.client`, beside the terminal.

``app`` puts the parts together. ``door`` admits browsers by a link that is used once, ``sessions``
hold the owner's keys while a browser is unlocked, and ``guard`` stands before every page. A page
(``pages/``) reads and decides through ``Context.client()`` alone and holds no logic of its own.
``jobs`` run what takes longer than a page may, ``collector`` fetches letters meanwhile.

Nothing here writes an unsealed byte to a disk.
"""
