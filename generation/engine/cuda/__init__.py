"""The engine on a CUDA card: attention over pages, recorded steps, int8 products.

Read in this order: `batch` (a step as tensors), `pages` (the cache on the device), `backends` and
`kernels` (attention), `probe` (which of them), `graphs` (steps recorded once and replayed),
`runner`. `int8` and `compiling` are options.
"""
