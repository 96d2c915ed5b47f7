"""``clip-agent tune``: a film and a plot of what the detector sees."""
