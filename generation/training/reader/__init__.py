"""Teach a model to answer from passages, in their words, and to refuse where they do not answer.

examples                    lines of a file to questions, passages and answers worth learning
encoding -> groups          examples to tokens, in the very prompt that the service writes
branches                    groups to batches: questions over the same passages share them
learning                    which weights learn: low-rank factors, or all
judging                     what the development set says
finetuning                  the story: reads, trains, writes an adapter or a model with its cards
"""
