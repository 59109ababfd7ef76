"""``prefect.yaml``: what runs when, and with which parameters."""
