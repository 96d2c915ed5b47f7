"""Runs one fuzzing target under atheris: a process of its own, ended by libFuzzer.

::

    python -m tests.fuzz.one TARGET [libFuzzer options] [corpus folders or one input]

Only ``agent`` is instrumented. A finding ends the process with the traceback; libFuzzer
writes the input as its ``-artifact_prefix`` says. :mod:`tests.fuzz` runs all targets.
"""

from __future__ import annotations

import logging
import sys

import atheris


def main() -> None:
    """Instrument, load the target, and hand over to libFuzzer."""
    with atheris.instrument_imports(include=["agent"]):
        from tests.fuzz.targets import TARGETS
    logging.disable()
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
