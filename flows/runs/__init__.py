"""A run's record, its clone, and what is done with both."""
