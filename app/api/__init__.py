"""The HTTP routes. Translate between JSON and the rooms; decide nothing themselves."""
