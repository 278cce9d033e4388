"""Tables from what readers report: values, entities, conflicts, the database that computes, and what its results say."""
