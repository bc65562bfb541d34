"""Assistants: prompts with what belongs to them, shared in a tenant or with everybody.

entities    assistants, their versions, what is shown of them to whom
drafts      what an assistant and a version may hold: cleaning and limits
stripping   what a published copy must not hold: secrets, and knowledge that is its tenant's own
store       the room of a unit of work
service     use cases of who makes assistants
market      use cases of who uses them: reactions, ratings, installs, reports; and what a conversation needs
"""
