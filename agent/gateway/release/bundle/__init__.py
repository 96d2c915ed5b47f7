"""The bundle of a release: its clips prepared, its statements, and its outer form."""
