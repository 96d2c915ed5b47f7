"""The rules that a public post must satisfy."""
