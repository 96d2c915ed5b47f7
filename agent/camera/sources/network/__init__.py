"""Network cameras and video files."""
