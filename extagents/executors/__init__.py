"""Executors: who runs the readers."""
