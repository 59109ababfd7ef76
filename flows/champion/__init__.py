"""The champion: registry, comparison, promotion."""
