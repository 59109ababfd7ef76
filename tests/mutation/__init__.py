"""Mutation testing by hand: change one operator or number of a module at a time and see whether its tests notice.

``python -m tests.mutation tasks/gate/*.py --tests tests/tasks/gate`` prints each mutant that survives, and the score;
tests/MUTATION.md holds what was found. It works on a copy of the tracked files, each mutant in a fork that has
the libraries imported, with the tests that reach the changed line, the fastest first.

Not covered: mutants that are equivalent to the original, which no test can kill (look at each survivor); lines that are
reached in a process of their own or behind a session's fixture alone.
"""
