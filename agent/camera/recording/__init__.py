"""From packets to a sealed clip: pre-roll, recorder, muxer, thumbnail, housekeeping."""
