"""RTSP by ourselves, for the logins that FFmpeg does not know (SHA-256)."""
