"""Teaching to read, on models of a few thousand weights and passages of a few words."""
