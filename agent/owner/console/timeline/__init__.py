"""The timeline and the looks of an unlocked browser: in its session's memory, gone at the lock."""
