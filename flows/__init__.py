"""Prefect: when the pipeline runs, in what order, and what a person sees of it."""
