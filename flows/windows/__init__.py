"""Ranges of time, the history of verdicts, and the refit policy. No Prefect."""
