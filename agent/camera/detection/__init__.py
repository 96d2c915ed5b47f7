"""Motion detection: the detector, its pace, and its verdicts."""
