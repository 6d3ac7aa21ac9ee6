"""Signals for writes that Django sends none for. Models whose manager is a SignalManager send them.

Sent once for each write, inside its transaction, by the model. `pks` has at most 1000 keys, and is None where they are
not known; `count` is the number of rows; `complete` is true if all their keys are in `pks`.
"""

from django.db.models.signals import ModelSignal

# `conflicts` is "ignore", "update" or None, as the arguments of `bulk_create` say. If it is not None, `count` is the
# number of objects that were given.
# Arguments: "pks", "count", "complete", "conflicts", "using"
bulk_created = ModelSignal(use_caching=True)

# Arguments: "pks", "count", "complete", "fields", "using"
bulk_updated = ModelSignal(use_caching=True)

# Arguments: "pks", "count", "complete", "values", "using"
queryset_updated = ModelSignal(use_caching=True)

# Arguments: "pks", "count", "complete", "using"
queryset_deleted = ModelSignal(use_caching=True)
