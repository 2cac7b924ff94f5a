"""Make a model from a folder of text. Runs with torch, numpy, tokenizers and safetensors alone.

    documents -> cleaning -> deduplication       files to texts worth learning, with every count
    vocabulary                                   texts to a byte-level vocabulary
    tokens -> packing                            texts to token files, token files to batches
    trainer -> loop                              batches and a loss to better weights
    base                                         the story: reads the folder, trains, writes a model

A trainer takes any iterator of batches and any loss over them: another kind of training brings its
own two and keeps the rest.
"""
