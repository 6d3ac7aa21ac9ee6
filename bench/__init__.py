"""The benchmarks: each figure beside its peers, measured in the same run."""
