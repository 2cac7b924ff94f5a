"""Decoding steps in C++, compiled where they run; `library` builds, `runner` uses. CPU only.

Everything here has its twin in PyTorch, which computes instead where no compiler is found.
"""
