"""HTML pages: the one Jinja environment that renders them."""
