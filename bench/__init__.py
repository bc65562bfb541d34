"""Fabula measured against its peers, on this machine, in one run."""
