"""The command line of a device and of all roles."""
