"""Bundles received: the bag and its verification."""
