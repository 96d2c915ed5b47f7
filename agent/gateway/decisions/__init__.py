"""The owners' decisions: approvals, shares, declines, commands and previews."""
