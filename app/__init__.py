"""The joints: settings, servers, command line, and the wiring of ports to implementations."""
