"""Sealed clips on disk: create, read, delete, recover."""
