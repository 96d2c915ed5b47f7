"""The options of the owner's commands, by subject. Light to import."""
