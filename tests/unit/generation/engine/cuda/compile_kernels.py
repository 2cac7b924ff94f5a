"""Compile the kernels for a card that need not be there: a program, for a process of its own.

Triton's interpreter accepts more than its compiler. Prints a line for each kernel that compiled.
"""

from typing import Any, Final

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from generation.engine.cuda import kernels

TARGET: Final = GPUTarget("cuda", 90, 32)  # H100, H200
# head_dim, heads for each key head, key heads, window, rows of a tile, parts
ATTENTION: Final = ((64, 3, 3, 0, 16, 8), (256, 4, 1, 512, 64, 1), (128, 4, 8, 0, 32, 4))


def compile_kernel(kernel: Any, arguments: dict[str, str], constants: dict[str, int]) -> None:
    names = list(kernel.arg_names)
    source = ASTSource(
        kernel,
        signature={name: arguments.get(name, "constexpr") for name in names},
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={
            (names.index(name),): [["tt.divisibility", 16]]
            for name, kind in arguments.items()
            if kind != "fp32"
        },
    )
    compiled = triton.compile(source, target=TARGET, options={"num_warps": 4, "num_stages": 2})
    shared = compiled.metadata.shared
    assert shared < 99 << 10, f"{shared} bytes of shared memory are more than small cards have"
    print(kernel.fn.__name__, constants, shared)  # noqa: T201  # it is a program


def compile_attention(*sizes: int) -> None:
    head_dim, groups, kv_heads, window, block_m, splits = sizes
    part = "*fp32" if splits > 1 else "*bf16"
    tensors = {"q": "*bf16", "keys": "*bf16", "values": "*bf16", "out": part, "weights": part}
    tables = dict.fromkeys(("query_starts", "lengths", "pages"), "*i32")
    numbers = {"q_stride": "i32", "pages_stride": "i32", "scale": "fp32"}
    constants = {
        "GROUPS": groups,
        "KV_HEADS": kv_heads,
        "HEAD_DIM": head_dim,
        "PAGE_SIZE": 16,
        "WINDOW": window,
        "SPLITS": splits,
        "BLOCK_M": block_m,
        "BLOCK_N": 64 if head_dim <= 128 else 32,
        "BLOCK_D": head_dim,
    }
    compile_kernel(kernels.attend_kernel, {**tensors, **tables, **numbers}, constants)


def main() -> None:
    for sizes in ATTENTION:
        compile_attention(*sizes)
    compile_kernel(
        kernels.merge_kernel,
        {"parts": "*fp32", "weights": "*fp32", "out": "*bf16", "num_new": "*i32"},
        {"NUM_HEADS": 9, "HEAD_DIM": 64, "SPLITS": 8, "BLOCK_D": 64},
    )
    tensors = {"x": "*bf16", "levels": "*i8", "scales": "*bf16", "out": "*bf16"}
    compile_kernel(
        kernels.int8_kernel,
        {**tensors, "num_rows": "i32", "num_out": "i32"},
        {"NUM_IN": 576, "BLOCK_M": 16, "BLOCK_N": 32, "BLOCK_K": 128},
    )


if __name__ == "__main__":
    main()
