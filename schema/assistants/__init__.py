"""Assistants: types of what there is, inputs and payloads of what can be done with it."""
