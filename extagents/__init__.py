"""ExtAgents."""
