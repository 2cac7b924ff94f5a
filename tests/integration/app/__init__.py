"""Tests of the running service, over fakes."""
