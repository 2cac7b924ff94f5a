"""Unit tests of the engine, on tiny random models and scripted fakes."""
