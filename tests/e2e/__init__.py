"""The whole service, as a person or a calling service meets it."""
