"""Facts and warnings as sentences, for the terminal and the console alike."""
