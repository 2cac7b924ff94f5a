"""Teach from pairs of replies, of which one is better: a model to prefer it, a reward to say so.

examples -> encoding        lines of a file to pairs, and pairs to groups of two branches
batches                     groups to batches whose targets are pairs
learning                    the story: reads, trains, judges, writes; of a task it asks the margin
preference, reward          the tasks: a model against itself before (DPO); a head over a model
drafting                    pairs made of a model's own drafts, judged by what the passages support
"""
