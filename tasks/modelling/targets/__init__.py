"""What a model learns: one module for each task, and the registry that names them."""
