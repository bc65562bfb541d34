"""Generation: context compiler, provider port, generations, attempts and their endings."""
