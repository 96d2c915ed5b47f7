"""A drawn street as a camera, for demos and tests."""
