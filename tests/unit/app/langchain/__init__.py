"""Tests of `app.langchain`."""
