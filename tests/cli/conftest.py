"""Fixtures for the tests of the command line."""

from tests.vault.conftest import vault

__all__ = ["vault"]
