"""Three months of mail in some five minutes: ``driftline demo``, or ``make demo``.

Quiet weeks, an alarm, a refit, its promotion, and what a person does when that turns out to have been a mistake:
through the flows that run unattended, in a repository, a home and a Prefect server of its own. What the gates say is
theirs: the demo decides which mails arrive when (``stream.py``), and nothing else.
"""
