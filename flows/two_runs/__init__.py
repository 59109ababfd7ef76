"""Two runs beside each other on one page: ``driftline report RUN OTHER``."""
