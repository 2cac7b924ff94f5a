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

// Rows (R, K) as the products of one thread take them.
struct Rows {
    const float *x;
    const float *sums;      // (R, K / 32) of each group; INT4 only
    const uint32_t *pairs;  // (R, K / 2), two bfloat16 each; INT4 with AVX512-BF16 only
};

inline Rows skip_rows(const Rows &rows, int num, int K) {
    const int64_t n = num;
    return {rows.x + n * K, rows.sums + n * (K / GROUP), rows.pairs + n * (K / 2)};
}

#ifndef __AVX512BF16__
// The level in four bits of each lane, as a number.
inline vf to_number(vi lanes) {
#ifdef __AVX512F__
    // a shuffle reads the last four bits of a lane alone, so it is mask and conversion at once
    return __builtin_shuffle(vf{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, lanes);
#else
    return __builtin_convertvector(lanes & 15, vf);
#endif
}
#endif

// One group of 32 inputs, of a block of 32 outputs, for R rows, added to `total`. A byte holds an
// output of the first sixteen and one of the last; neighbours are the same output's next input.
// Few rows leave the units idle while a sum waits for itself: U sums then.
template <int R, int U>
inline void add_group(const uint8_t *&w, const Rows &rows, int K, int begin, vf (&total)[R][2]) {
    vf part[U][R][2] = {};
    for (int k = begin; k < begin + GROUP; k += 2 * U) {
        for (int u = 0; u < U; u++, w += BLOCK) {
#ifdef __AVX512BF16__
            // 0 to 15 in bfloat16, twice: a shuffle of words reads five bits, the fifth is not ours
            const words32 levels = {0,      0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0,
                                    0x4100, 0x4110, 0x4120, 0x4130, 0x4140, 0x4150, 0x4160, 0x4170,
                                    0,      0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0,
                                    0x4100, 0x4110, 0x4120, 0x4130, 0x4140, 0x4150, 0x4160, 0x4170};
            const __m512i both =
                _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(w)));
            const auto table = reinterpret_cast<__m512i>(levels);
            const auto first = (__m512bh)_mm512_permutexvar_epi16(both, table);
            const auto last =
                (__m512bh)_mm512_permutexvar_epi16(_mm512_srli_epi16(both, 4), table);
            for (int r = 0; r < R; r++) {
                const auto pair =
                    (__m512bh)_mm512_set1_epi32(rows.pairs[r * (K / 2) + k / 2 + u]);
                part[u][r][0] = _mm512_dpbf16_ps(part[u][r][0], first, pair);
                part[u][r][1] = _mm512_dpbf16_ps(part[u][r][1], last, pair);
            }
#else
            const vi both = load_words(w);
            const vf first[2] = {to_number(both), to_number(both >> 8)};
            const vf last[2] = {to_number(both >> 4), to_number(both >> 12)};
            for (int r = 0; r < R; r++) {
                for (int i = 0; i < 2; i++) {
                    const vf value = splat(rows.x[r * K + k + 2 * u + i]);
                    part[u][r][0] += first[i] * value;
                    part[u][r][1] += last[i] * value;
                }
            }
#endif
        }
    }
    for (int r = 0; r < R; r++)
        for (int half = 0; half < 2; half++)
            for (int u = 0; u < U; u++) total[r][half] += part[u][r][half];
}

// One block of 32 outputs for R rows; out has a row every `stride`.
template <int R, int U>
void multiply_int4(const Matrix &m, int block, const Rows &rows, float *out, int stride) {
    const int K = m.num_in, num_groups = K / GROUP;
    const uint8_t *w = static_cast<const uint8_t *>(m.weights) + int64_t(block) * K * (BLOCK / 2);
    const uint16_t *s =
        static_cast<const uint16_t *>(m.scales) + int64_t(block) * num_groups * 2 * BLOCK;
    vf total[R][2] = {};
    for (int g = 0; g < num_groups; g++, s += 2 * BLOCK) {
        vf group[R][2] = {};
        add_group<R, U>(w, rows, K, g * GROUP, group);
        for (int half = 0; half < 2; half++) {
            const vf scale = load_float16(s + half * LANES);
            const vf low = load_float16(s + BLOCK + half * LANES);
            for (int r = 0; r < R; r++)
                total[r][half] += group[r][half] * scale + low * rows.sums[r * num_groups + g];
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
inline int64_t prepared_size(int K) { return K / GROUP + K / 2; }

// x (R, K) as products with `m` take it. What was rounded is what is summed: a group's `low` counts
// for the very numbers that its levels are multiplied with.
Rows prepare(const Matrix &m, int num_rows, const float *x, float *memory) {
    const int64_t size = int64_t(num_rows) * m.num_in;
    float *sums = memory;
    uint32_t *pairs = reinterpret_cast<uint32_t *>(memory + size / GROUP);
    const Rows rows = {x, sums, pairs};
    if (m.kind != INT4) return rows;
    for (int64_t at = 0; at < size; at += GROUP) {
        vf first = load(x + at), last = load(x + at + LANES);
#ifdef __AVX512BF16__
        uint16_t *words = reinterpret_cast<uint16_t *>(pairs) + at;
        store_bfloat16(words, first), store_bfloat16(words + LANES, last);
        first = load_bfloat16(words), last = load_bfloat16(words + LANES);
#endif
        sums[at / GROUP] = sum(first + last);
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
