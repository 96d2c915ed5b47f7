"""The owner's decisions: plan them, sign them, and remember what was sent."""
