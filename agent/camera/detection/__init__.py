"""Motion detection: the detector, its steps, its pace, and its verdicts."""
