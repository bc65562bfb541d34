"""What runs later: Dramatiq actors, the outbox relay, the sweeper."""
