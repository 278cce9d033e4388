"""Where others' frameworks meet this one: LangChain and LangGraph, LlamaIndex, OpenTelemetry. Loaded when asked for."""
