"""The site of the documentation: what MkDocs calls while it builds, and what writes ``docs/reference/``."""
