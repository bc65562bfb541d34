"""What is true: entities, value objects, states, errors, ports and services. Standard library only."""
