"""Of the benchmarks: what can be right or wrong without measuring."""
