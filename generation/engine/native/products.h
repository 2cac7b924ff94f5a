// Rows times a matrix, whose weights are in four, eight, sixteen or thirty-two bits.

#pragma once

#include <algorithm>

#include "shapes.h"
#include "vectors.h"

namespace {

constexpr int GROUP = 32;        // inputs that share a scale
constexpr int BLOCK = 32;        // outputs whose weights lie together
constexpr int MAX_TOGETHER = 8;  // rows that a weight, once unpacked, is multiplied with

enum Kind : int32_t { INT4 = 0, INT8 = 1, BFLOAT16 = 2, FLOAT32 = 3 };

// Rows (R, K) as the products of one thread take them. With INT4 they are rounded to signed bytes,
// by groups of inputs, so that the sums of a group are exact, and the same on every machine.
struct Rows {
    const float *x;
    const int8_t *levels;  // (R, K), -127 to 127; INT4 only, as what follows
    const float *scales;   // (R, K / 32): x is about levels * scale
    const float *sums;     // (R, K / 32): of the rounded x of a group
};

inline Rows skip_rows(const Rows &rows, int num, int K) {
    const int64_t n = num, groups = n * (K / GROUP);
    return {rows.x + n * K, rows.levels + n * K, rows.scales + groups, rows.sums + groups};
}

// One group of 32 inputs, of a block of 32 outputs, for R rows: levels times levels, in `part`.
// Few rows leave the units idle while a sum waits for itself: U sums then.
template <int R, int U>
inline void multiply_group(const uint8_t *w, const int8_t *x, int K, vi (&part)[U][R][2]) {
    constexpr int SIZE = 4 * LANES;  // bytes that hold four inputs of 32 outputs
    const vi mask = vi{} + 0x0f0f0f0f;
    for (int k = 0; k < GROUP / 4; k += U) {
        for (int u = 0; u < U; u++) {
            const vi both = load_integers(w + (k + u) * SIZE);
            const vi first = both & mask, last = both >> 4 & mask;
            for (int r = 0; r < R; r++) {
                int32_t inputs;
                std::memcpy(&inputs, x + int64_t(r) * K + 4 * (k + u), sizeof inputs);
                part[u][r][0] = add_products(part[u][r][0], first, inputs);
                part[u][r][1] = add_products(part[u][r][1], last, inputs);
            }
        }
    }
}

// One block of 32 outputs for R rows; out has a row every `stride`.
template <int R, int U>
void multiply_int4(const Matrix &m, int block, const Rows &rows, float *out, int stride) {
    const int K = m.num_in, num_groups = K / GROUP;
    const uint8_t *w = static_cast<const uint8_t *>(m.weights) + int64_t(block) * K * (BLOCK / 2);
    const uint16_t *s =
        static_cast<const uint16_t *>(m.scales) + int64_t(block) * num_groups * 2 * BLOCK;
    vf total[R][2] = {};
    for (int g = 0; g < num_groups; g++, s += 2 * BLOCK, w += GROUP * BLOCK / 2) {
        vi part[U][R][2] = {};
        multiply_group<R, U>(w, rows.levels + g * GROUP, K, part);
        for (int half = 0; half < 2; half++) {
            const vf scale = load_float16(s + half * LANES);
            const vf low = load_float16(s + BLOCK + half * LANES);
            for (int r = 0; r < R; r++) {
                vi group = part[0][r][half];
                for (int u = 1; u < U; u++) group += part[u][r][half];
                const int at = r * num_groups + g;
                total[r][half] += to_floats(group) * (scale * rows.scales[at]);
                total[r][half] += low * rows.sums[at];
            }
        }
    }
    for (int r = 0; r < R; r++)
        for (int half = 0; half < 2; half++) store(out + r * stride + half * LANES, total[r][half]);
}

// The same in eight bits, with a scale for each output.
template <int R, int U>
void multiply_int8(const Matrix &m, int block, const float *x, float *out, int stride) {
    const int K = m.num_in;
    const int8_t *w = static_cast<const int8_t *>(m.weights) + int64_t(block) * K * BLOCK;
    const float *scales = static_cast<const float *>(m.scales) + block * BLOCK;
    vf part[U][R][2] = {};
    for (int k = 0; k < K; k += U) {
        for (int u = 0; u < U; u++, w += BLOCK) {
            const vf first = load_int8(w), last = load_int8(w + LANES);
            for (int r = 0; r < R; r++) {
                const vf value = splat(x[r * K + k + u]);
                part[u][r][0] += first * value;
                part[u][r][1] += last * value;
            }
        }
    }
    for (int r = 0; r < R; r++)
        for (int half = 0; half < 2; half++) {
            vf total = part[0][r][half];
            for (int u = 1; u < U; u++) total += part[u][r][half];
            store(out + r * stride + half * LANES, total * load(scales + half * LANES));
        }
}

template <Kind kind>
inline vf load_weights(const void *weights, int64_t at) {
    if (kind == BFLOAT16) return load_bfloat16(static_cast<const uint16_t *>(weights) + at);
    return load(static_cast<const float *>(weights) + at);
}

// P outputs from `first` for R rows, each the product of a row of weights with a row of x.
template <Kind kind, int R, int P>
void multiply_rows(const Matrix &m, int first, const float *x, float *out, int stride) {
    const int K = m.num_in;
    vf total[P][R] = {};
    for (int k = 0; k < K; k += LANES) {
        for (int p = 0; p < P; p++) {
            vf w = load_weights<kind>(m.weights, int64_t(first + p) * K + k);
            for (int r = 0; r < R; r++) total[p][r] += w * load(x + r * K + k);
        }
    }
    for (int p = 0; p < P; p++) {
        for (int r = 0; r < R; r++) out[r * stride + p] = sum(total[p][r]);
    }
}

template <Kind kind, int R>
void multiply_block(const Matrix &m, int block, const float *x, float *out, int stride) {
    constexpr int P = R > 4 ? 2 : 4;
    const int first = block * BLOCK, size = std::min(BLOCK, m.num_out - first);
    int p = 0;
    for (; p + P <= size; p += P) multiply_rows<kind, R, P>(m, first + p, x, out + p, stride);
    for (; p < size; p++) multiply_rows<kind, R, 1>(m, first + p, x, out + p, stride);
}

template <int R>
void multiply_few(const Matrix &m, int block, const Rows &rows, float *out, int stride) {
    constexpr int U = R == 1 ? 4 : R <= 3 ? 2 : 1;
    if (m.kind == INT4) multiply_int4<R, U>(m, block, rows, out, stride);
    else if (m.kind == INT8) multiply_int8<R, U>(m, block, rows.x, out, stride);
    else if (m.kind == BFLOAT16) multiply_block<BFLOAT16, R>(m, block, rows.x, out, stride);
    else multiply_block<FLOAT32, R>(m, block, rows.x, out, stride);
}

using Multiply = void (*)(const Matrix &, int, const Rows &, float *, int);
constexpr Multiply MULTIPLY[MAX_TOGETHER] = {
    multiply_few<1>, multiply_few<2>, multiply_few<3>, multiply_few<4>,
    multiply_few<5>, multiply_few<6>, multiply_few<7>, multiply_few<8>,
};

// Outputs [32 block, 32 block + 32) of x W^T + bias; `out` points at the first row's first of them.
void multiply(const Matrix &m, int block, int num_rows, const Rows &rows, float *out, int stride) {
    for (int r = 0; r < num_rows; r += MAX_TOGETHER)
        MULTIPLY[std::min(MAX_TOGETHER, num_rows - r) - 1](
            m, block, skip_rows(rows, r, m.num_in), out + int64_t(r) * stride, stride);
    if (!m.bias) return;
    const int first = block * BLOCK, size = std::min(BLOCK, m.num_out - first);
    for (int r = 0; r < num_rows; r++)
        for (int i = 0; i < size; i++) out[r * stride + i] += m.bias[first + i];
}

// Floats of memory that `prepare` needs for a row of K inputs.
inline int64_t prepared_size(int K) { return 2 * (K / GROUP) + K / 4; }

// x (R, K) as products with `m` take it. What was rounded is what is summed: a group's `low` counts
// for the very numbers that its levels are multiplied with.
Rows prepare(const Matrix &m, int num_rows, const float *x, float *memory) {
    const int64_t size = int64_t(num_rows) * m.num_in, num_groups = size / GROUP;
    float *scales = memory, *sums = memory + num_groups;
    int8_t *levels = reinterpret_cast<int8_t *>(memory + 2 * num_groups);
    const Rows rows = {x, levels, scales, sums};
    if (m.kind != INT4) return rows;
    for (int64_t g = 0; g < num_groups; g++) {
        const vf first = load(x + g * GROUP), last = load(x + g * GROUP + LANES);
        const float widest = most(greater(greater(first, -first), greater(last, -last)));
        const float inverse = widest > 0 ? 127.0f / widest : 0.0f;
        const vi a = to_nearest(first * inverse), b = to_nearest(last * inverse);
        store_bytes(levels + g * GROUP, a), store_bytes(levels + g * GROUP + LANES, b);
        scales[g] = widest / 127.0f;
        sums[g] = sum(to_floats(a + b)) * scales[g];
    }
    return rows;
}

inline int num_blocks(const Matrix &m) { return (m.num_out + BLOCK - 1) / BLOCK; }

// This thread's blocks of a whole product: x (R, K) -> out (R, N).
void multiply_share(const Matrix &m, int num_rows, const float *x, float *memory, float *out,
                    int thread, int num) {
    const Rows rows = prepare(m, num_rows, x, memory);
    int begin, end;
    share(num_blocks(m), thread, num, begin, end);
    for (int block = begin; block < end; block++)
        multiply(m, block, num_rows, rows, out + block * BLOCK, m.num_out);
}

}  // namespace
