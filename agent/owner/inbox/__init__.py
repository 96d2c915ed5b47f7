"""Verified letters from the cameras, and the items they hold."""
