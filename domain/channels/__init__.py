"""Channels: ways to models, how healthy each is, and which of them a request takes."""
