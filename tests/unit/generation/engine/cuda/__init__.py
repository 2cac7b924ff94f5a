"""The CUDA path on stand-ins: kernels in Triton's interpreter, graphs that run their step again."""
