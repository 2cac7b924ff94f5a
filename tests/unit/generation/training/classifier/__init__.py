"""Training a classifier, on texts of a few words and vectors of words."""
