"""Should I retrain every week, on alarm, or not at all? ``driftline backtest``.

::

    driftline backtest --since 2002-07-22 --until 2002-09-30 --days 7
    driftline backtest --since 2002-07-22 --until 2002-09-30 --days 21 --refit full --policy never --policy schedule

Replays policies of refitting over the repository's own history, window by window as the schedule would have run them,
and compares them on one page, ``reports/backtest.html``.
The decision is ``flows.windows.policy``'s, as in monitoring.
``--refit probe`` trains a logistic regression on the frozen encoder's embeddings, which are computed once; ``full``
runs the pipeline itself in clones. Whatever is finished is kept: a backtest that was stopped goes on where it was.

Exit code 0: replayed; 1: it failed; 2: refused; 130: interrupted.
"""
