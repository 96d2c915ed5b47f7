"""The rules for public posts, and the checks that they share."""
