"""Tests of the face that speaks OpenAI's protocol."""
