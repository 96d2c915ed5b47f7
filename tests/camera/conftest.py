"""What all tests of cameras may ask for."""

from tests.support.pi_board import board, make

__all__ = ["board", "make"]
