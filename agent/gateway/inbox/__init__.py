"""Requests and notices that the owners see."""
