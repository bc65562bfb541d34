"""Conversations: messages as a tree, the answers that models write into it, and the passages that these stand on."""
