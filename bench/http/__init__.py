"""Queries over HTTP: the product, itself without its engine, and its peers."""
