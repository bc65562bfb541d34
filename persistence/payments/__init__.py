"""Persistence of the payments room."""
