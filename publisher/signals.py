"""Signals for the writes of which Django sends none; a model sends them when its manager is a SignalManager.

Sent once a write, by the model, inside the write's transaction. `pks` has at most 1000 keys, and is None where they are
not known; `count` is how many rows there were, and `complete` is true when all their keys are in `pks`.
"""

from django.db.models.signals import ModelSignal

# Where conflicts are ignored or updated (`conflicts` is "ignore" or "update"), the count is that of the objects given.
# Arguments: "pks", "count", "complete", "conflicts", "using"
bulk_created = ModelSignal(use_caching=True)

# Arguments: "pks", "count", "complete", "fields", "using"
bulk_updated = ModelSignal(use_caching=True)

# Arguments: "pks", "count", "complete", "values", "using"
queryset_updated = ModelSignal(use_caching=True)

# Arguments: "pks", "count", "complete", "using"
queryset_deleted = ModelSignal(use_caching=True)
