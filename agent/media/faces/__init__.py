"""Faces in a recorded clip, proposed as boxes to redact. The owner decides; nothing here covers."""
