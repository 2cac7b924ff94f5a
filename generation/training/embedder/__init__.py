"""Tune the embedding model on questions and their passages, and measure what retrieval gains.

examples -> mining          lines of a reader's file to questions over a corpus, and what misleads
encoder                     the model that learns, in the layout that the service loads
batches                     questions with their passages and hard negatives, and the loss
judging                     how well held-out questions find their passages in the whole corpus
learning                    the story: reads, mines, trains, compares, writes what gained
"""
