"""Commands that fetch one clip: see it, keep it, find the faces in it."""
