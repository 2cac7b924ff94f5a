"""Triton kernels. Imported only where there is a card, or by tests in Triton's interpreter.

`attend_kernel` is flash attention (Dao, 2023) over pages, for decoding and prefill alike. The query
heads that share a key head are folded into rows: row = token * GROUPS + group. A program takes
BLOCK_M rows of one sequence and one key head, and one of SPLITS parts of what they see; with more
than one part, `merge_kernel` joins them. Numbers that change from step to step are read from
memory, so that a graph recorded once stays right.
"""

import triton
import triton.language as tl


@triton.jit
def attend_kernel(
    q,  # (N, H, D), tokens q_stride apart
    keys,  # (slots, Hkv, D)
    values,
    out,  # (N, H, SPLITS, D)
    weights,  # (N, H, SPLITS) log2 of each part's sum of exponentials; not written if SPLITS is 1
    query_starts,
    lengths,
    pages,
    q_stride,
    pages_stride,
    scale,  # of scores, times log2(e)
    GROUPS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    WINDOW: tl.constexpr,  # 0: none
    SPLITS: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    tile = tl.program_id(0)
    kv_head = tl.program_id(1)
    sequence = tl.program_id(2) // SPLITS
    split = tl.program_id(2) % SPLITS
    first = tl.load(query_starts + sequence)
    num_new = tl.load(query_starts + sequence + 1) - first
    if tile * BLOCK_M >= num_new * GROUPS:
        return
    start = tl.load(lengths + sequence) - num_new  # tokens before the new ones

    rows = tile * BLOCK_M + tl.arange(0, BLOCK_M)
    dims = tl.arange(0, BLOCK_D)
    columns = tl.arange(0, BLOCK_N)
    is_row = rows < num_new * GROUPS
    is_dim = dims < HEAD_DIM
    token = (first + rows // GROUPS).to(tl.int64)
    head = kv_head * GROUPS + rows % GROUPS
    position = start + rows // GROUPS
    q_at = token[:, None] * q_stride + head[:, None] * HEAD_DIM + dims[None, :]
    row_mask = is_row[:, None] & is_dim[None, :]
    queries = tl.load(q + q_at, mask=row_mask, other=0.0)  # (BLOCK_M, D)

    # what the first and the last row of the tile see, shared out among the parts by whole blocks
    end = start + tl.minimum(num_new, ((tile + 1) * BLOCK_M - 1) // GROUPS + 1)
    begin = 0
    if WINDOW > 0:
        begin = tl.maximum(start + tile * BLOCK_M // GROUPS - WINDOW + 1, 0) // BLOCK_N * BLOCK_N
    num_blocks = (end - begin + BLOCK_N - 1) // BLOCK_N
    blocks_each = (num_blocks + SPLITS - 1) // SPLITS
    low = begin + split * blocks_each * BLOCK_N
    high = tl.minimum(low + blocks_each * BLOCK_N, end)

    greatest = tl.full([BLOCK_M], float("-inf"), dtype=tl.float32)
    total = tl.zeros([BLOCK_M], dtype=tl.float32)
    heaped = tl.zeros([BLOCK_M, BLOCK_D], dtype=tl.float32)
    for block in range(low, high, BLOCK_N):
        at = block + columns
        is_seen = at < high
        page = tl.load(pages + sequence * pages_stride + at // PAGE_SIZE, mask=is_seen, other=0)
        slot = page.to(tl.int64) * PAGE_SIZE + at % PAGE_SIZE
        kv_at = (slot * KV_HEADS + kv_head) * HEAD_DIM
        k_mask = is_seen[None, :] & is_dim[:, None]
        k = tl.load(keys + kv_at[None, :] + dims[:, None], mask=k_mask, other=0.0)  # (D, BLOCK_N)
        scores = tl.dot(queries, k, input_precision="ieee") * scale  # (BLOCK_M, BLOCK_N)
        is_visible = is_seen[None, :] & (at[None, :] <= position[:, None])
        if WINDOW > 0:
            is_visible = is_visible & (at[None, :] > position[:, None] - WINDOW)
        scores = tl.where(is_visible, scores, float("-inf"))
        higher = tl.maximum(greatest, tl.max(scores, 1))
        # a row may see nothing of a whole block: -inf less -inf is not a number
        finite = tl.where(higher == float("-inf"), 0.0, higher)
        likely = tl.exp2(scores - finite[:, None])
        decay = tl.exp2(greatest - finite)
        v_mask = is_seen[:, None] & is_dim[None, :]
        v = tl.load(values + kv_at[:, None] + dims[None, :], mask=v_mask, other=0.0)  # (BLOCK_N, D)
        total = total * decay + tl.sum(likely, 1)
        heaped = heaped * decay[:, None]
        heaped += tl.dot(likely.to(v.dtype), v, input_precision="ieee")
        greatest = higher

    heaped = heaped / tl.where(total > 0, total, 1.0)[:, None]
    out_at = (token * (KV_HEADS * GROUPS) + head) * SPLITS + split
    out_type = out.dtype.element_ty
    tl.store(out + out_at[:, None] * HEAD_DIM + dims[None, :], heaped.to(out_type), mask=row_mask)
    if SPLITS > 1:
        weight = greatest + tl.log2(tl.where(total > 0, total, 1.0))  # -inf where nothing was seen
        tl.store(weights + out_at, weight, mask=is_row)


@triton.jit
def merge_kernel(
    parts,  # (N * H, SPLITS, D) float32
    weights,  # (N * H, SPLITS)
    out,  # (N * H, D)
    num_new,  # (1,) tokens that are no padding
    NUM_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    if row >= tl.load(num_new) * NUM_HEADS:
        return
    splits = tl.arange(0, SPLITS)
    dims = tl.arange(0, BLOCK_D)
    is_dim = dims < HEAD_DIM
    weight = tl.load(weights + row * SPLITS + splits)
    weight = tl.exp2(weight - tl.max(weight, 0))  # a part that saw nothing: exp2(-inf) is 0
    at = (row * SPLITS + splits)[:, None] * HEAD_DIM + dims[None, :]
    part = tl.load(parts + at, mask=is_dim[None, :], other=0.0)
    merged = tl.sum(part * weight[:, None], 0) / tl.sum(weight, 0)
    tl.store(out + row * HEAD_DIM + dims, merged.to(out.dtype.element_ty), mask=is_dim)


@triton.jit
def int8_kernel(
    x,  # (R, K)
    levels,  # (N, K) int8
    scales,  # (N,)
    out,  # (R, N)
    num_rows,
    num_out,
    NUM_IN: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    rows = tl.program_id(1) * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    ins = tl.arange(0, BLOCK_K)
    is_row = rows < num_rows
    is_column = columns < num_out
    heaped = tl.zeros([BLOCK_M, BLOCK_N], dtype=tl.float32)
    for block in range(0, NUM_IN, BLOCK_K):
        at = block + ins
        is_in = at < NUM_IN
        x_mask = is_row[:, None] & is_in[None, :]
        a = tl.load(x + rows[:, None] * NUM_IN + at[None, :], mask=x_mask, other=0.0)
        level_at = columns[None, :].to(tl.int64) * NUM_IN + at[:, None]
        level_mask = is_column[None, :] & is_in[:, None]
        level = tl.load(levels + level_at, mask=level_mask, other=0)  # (BLOCK_K, BLOCK_N)
        # 8 bits fit bfloat16's significand: no level is rounded
        heaped += tl.dot(a, level.to(a.dtype), input_precision="ieee")
    scale = tl.load(scales + columns, mask=is_column, other=0.0).to(tl.float32)
    out_at = rows[:, None].to(tl.int64) * num_out + columns[None, :]
    out_mask = is_row[:, None] & is_column[None, :]
    tl.store(out + out_at, (heaped * scale[None, :]).to(out.dtype.element_ty), mask=out_mask)
