"""The owner's folder: keys, settings, what the cameras wrote, and what opens without it."""
