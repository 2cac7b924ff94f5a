"""The faces for langchain-core, against its own standard suites."""
