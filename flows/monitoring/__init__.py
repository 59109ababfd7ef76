"""Watching the champion on new data."""
