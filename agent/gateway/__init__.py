"""The process that talks. It has no camera and no key that opens a clip."""
