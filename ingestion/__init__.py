"""Documents to searchable chunks: parse, chunk, embed, publish. Knows no question and no answer."""
