"""The conversations room: conversations, messages, citations, links to read along."""
