"""Crashes and outages on purpose: what was committed must be delivered, nothing else, and in order.

After Jepsen's total-queue checker: sets attempted, committed, delivered.
https://github.com/jepsen-io/jepsen/blob/main/jepsen/src/jepsen/checker.clj
"""
