"""Pieces of pages: a sketch map, and the outcome of what was just decided."""
