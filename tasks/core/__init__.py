"""What every stage uses and almost never changes: errors, params, files and tables, the command line."""
