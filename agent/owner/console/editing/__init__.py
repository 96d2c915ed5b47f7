"""Clips on their way to a decision: played, edited, shown on a last page before signing."""
