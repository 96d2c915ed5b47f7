"""The parts of the benchmark, a module each: ``TITLE``, ``SECONDS`` and ``measure()``."""
