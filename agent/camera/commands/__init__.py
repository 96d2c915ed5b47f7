"""Commands of owners, and the schedule, that the camera obeys by itself."""
