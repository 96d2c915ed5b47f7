"""The machine below: the board's clock and files, and systemd."""
