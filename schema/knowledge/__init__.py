"""Types of the knowledge room."""
