"""A map of a collection: its chunks in the plane, near where they are alike, in named clusters."""
