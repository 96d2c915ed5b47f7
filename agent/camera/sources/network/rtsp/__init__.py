"""Logins that FFmpeg does not know (SHA-256), and RTSP by ourselves behind them."""
