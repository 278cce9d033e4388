"""Documents: read, counted, sharded, indexed, and quotes found in them again."""
