"""The other vector store. Importing this package imports no client: that takes over a second of a process's start."""
