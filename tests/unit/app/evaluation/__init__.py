"""Tests of app/evaluation."""
