"""The trainers, on models of a few thousand weights and texts of a few thousand characters."""
