"""Telegram in, streamed reply out. Holds no model, and asks serving over HTTP."""
