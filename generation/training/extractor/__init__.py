"""Teach an encoder to point at the words of a passage that answer, or at none.

pairs            lines of a reader's file to pairs of a question and one passage, as token ids
model            the embedding model with low-rank paths and two scores for every token
batches          pairs of like length together, and the loss over where answers begin and end
judging          how well held-out passages are read, and refused
preparing -> learning   the story: reads, trains, judges, writes the extractor and its cards
"""
