"""GraphQL over HTTP, SSE and WebSocket."""
