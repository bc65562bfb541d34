"""Channels: the ways to models, their keys, their health, and which of them is taken."""
