"""The owner's side: keys, inbox, decisions. Runs on the owner's computer."""
