"""``driftline search``: other values of params.yaml, tried by Optuna on the validation rows.

A trial is the pipeline up to ``finetune`` in a clone, and an experiment of DVC's. The study lies in SQLite in the
repository's home. Nothing here predicts a test row or runs ``score`` or ``evaluate``.
"""
