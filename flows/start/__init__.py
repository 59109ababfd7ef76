"""The first steps with data of one's own: ``driftline init`` proposes params.yaml, ``driftline trial`` tries it."""
