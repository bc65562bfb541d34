"""Where things are kept: tables, mappings, stores, read queries, the tenant's session, streams."""
