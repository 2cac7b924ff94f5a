"""The compiled step: built, packed for, and equal to PyTorch."""
