"""clip-agent: a camera that records for its owner, and for nobody else.

``README.md`` tells what it does, ``docs/threats.md`` what it promises, ``docs/ARCHITECTURE.md``
where things are, and ``docs/decisions/`` why.
"""

__version__ = "0.1.0"
