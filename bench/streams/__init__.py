"""Streams: one server process, many subscriptions of fifty tokens a second."""
