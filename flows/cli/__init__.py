"""The command ``driftline``: a file for each group of commands, which import what does the work when they run."""
