"""Bundles filed by case: verified on arrival, answered by a receipt, and listed on a page."""
