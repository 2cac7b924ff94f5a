"""Teaching an encoder of a few thousand weights to point at words that mean nothing."""
