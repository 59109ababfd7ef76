"""Measures, intervals and tests that more than one place uses."""
