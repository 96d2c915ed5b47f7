"""A transparency log for the demo and the tests."""
