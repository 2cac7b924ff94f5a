"""Questions to passages. Knows how nothing is parsed and writes nothing but its own caches."""
