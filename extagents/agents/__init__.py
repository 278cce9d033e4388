"""The agents: planner, reader, reasoner, single pass and fusion. None of them knows another."""
