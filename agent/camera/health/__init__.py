"""The camera's health: silence, overload, damage, and the report of them."""
