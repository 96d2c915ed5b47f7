"""The owner's terminal: commands, prompts and views."""
