"""The demo: all roles on one machine."""
