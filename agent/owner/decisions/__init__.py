"""What the owner decides: select, sign, and remember what was sent."""
