"""Teach a classifier: a small head over the vectors of the embedding model, which stays as it is.

examples -> embedding       lines of a file to labelled texts, and texts to one vector each
head                        what learns, its batches and its loss
judging                     macro-F1 with its interval, calibration, and from where on it is sure
learning                    the story: reads, embeds, trains, calibrates, writes
"""
