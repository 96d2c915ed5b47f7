"""Fixtures for all tests of cameras."""

from tests.support.pi_board import board, make

__all__ = ["board", "make"]
