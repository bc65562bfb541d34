"""Execution alone: the compiled executor and graphql-core's over the same schema, resolvers and rows."""
