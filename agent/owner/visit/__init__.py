"""Visits to the broker: letters fetched, decisions sent, clips received."""
