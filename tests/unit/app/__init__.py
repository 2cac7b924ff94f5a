"""Tests of the faces, over fakes."""
