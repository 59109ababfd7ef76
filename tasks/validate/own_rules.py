"""Expectations of your own, beside the section ``validate``. No release changes this file.

A row that breaks a rule is quarantined with the rule's reason, and can be released from it. Any column of the rows can
be named, and those that ``profile.observe`` derives (``characters``: the length of the text). Data Docs show the values
that break a rule: for a confidential text name a derived column. Great Expectations takes one expectation of a kind for
each column.

    RULES = (Rule("subject_missing", "ExpectColumnValuesToNotBeNull", "subject"),)
"""

from __future__ import annotations

from tasks.validate.rules import Rule

RULES: tuple[Rule, ...] = ()
