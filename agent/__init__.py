"""clip-agent: a camera that records for its owner, and for nobody else.

See ``README.md`` for what it does, ``agent/THREATS.md`` for what it promises and
``agent/DECISIONS.md`` for why it is built as it is.
"""

__version__ = "0.1.0"
