"""Faults: files that are damaged, processes that are killed, machines that fail. ``make faults`` runs all of them."""
