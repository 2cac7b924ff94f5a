// Heads of queries, keys and values: finished, kept in the cache's pages, and attended over.

#pragma once

#include <algorithm>

#include "shapes.h"
#include "vectors.h"

namespace {

constexpr int MAX_GROUPED = 16;  // query heads that share a key/value head
constexpr int MAX_HEAD = 256;    // dimensions of a head
constexpr float HIDDEN = -1e30f;

inline int qkv_size(const Model &m) { return (m.num_heads + 2 * m.num_kv_heads) * m.head_dim; }

// A head's normed and turned vector, in place: dimension i turns with i + D / 2.
void finish_head(float *head, const float *norm, const float *cos, const float *sin, int size,
                 float eps) {
    if (norm) rms_norm(head, norm, head, size, eps);
    if (!cos) return;
    float turned[MAX_HEAD];
    const int half = size / 2;
    for (int i = 0; i < size; i++) {
        const float other = head[i < half ? i + half : i - half];
        turned[i] = head[i] * cos[i] + other * sin[i];
    }
    std::memcpy(head, turned, size * sizeof(float));
}

inline int64_t slot_of(const Model &m, const Batch &b, int row, int position) {
    int32_t page = b.pages[b.first_page[row] + position / m.page_size];
    return int64_t(page) * m.page_size + position % m.page_size;
}

void keep(const Model &m, void *cache, int64_t at, const float *head) {
    if (m.cache_is_float32) {
        std::memcpy(static_cast<float *>(cache) + at, head, m.head_dim * sizeof(float));
        return;
    }
    uint16_t *to = static_cast<uint16_t *>(cache) + at;
    for (int i = 0; i < m.head_dim; i += LANES) store_bfloat16(to + i, load(head + i));
}

// This thread's share of the heads of qkv (R, H + 2 Hkv, D): finish queries and keys, keep keys
// and values.
void finish_heads(const Model &m, const Layer &l, const Batch &b, float *qkv, int thread, int num) {
    const int D = m.head_dim, num_all = m.num_heads + 2 * m.num_kv_heads;
    int begin, end;
    share(b.num_rows * num_all, thread, num, begin, end);
    for (int task = begin; task < end; task++) {
        const int row = task / num_all, head = task % num_all, position = b.positions[row];
        float *x = qkv + int64_t(row) * num_all * D + head * D;
        const float *cos = l.cos ? l.cos + int64_t(position) * D : nullptr;
        const float *sin = l.sin ? l.sin + int64_t(position) * D : nullptr;
        const int kv = head - m.num_heads, v = kv - m.num_kv_heads;
        if (v < 0) finish_head(x, kv < 0 ? l.q_norm : l.k_norm, cos, sin, D, m.eps);
        if (kv < 0) continue;
        const int64_t slot = slot_of(m, b, row, position);
        if (v < 0) keep(m, l.keys, (kv * m.num_slots + slot) * D, x);
        else keep(m, l.values, (v * m.num_slots + slot) * D, x);
    }
}

template <typename T>
inline vf load_cached(const T *p) {
    if (sizeof(T) == 2) return load_bfloat16(reinterpret_cast<const uint16_t *>(p));
    return load(reinterpret_cast<const float *>(p));
}

// A query as `dot` takes it: rounded where keys are bfloat16 and the processor multiplies such.
template <typename T, int D>
struct Query {
    const float *x;
    uint16_t rounded[D];

    void set(const float *q) {
        x = q;
#ifdef __AVX512BF16__
        if (sizeof(T) == 2)
            for (int i = 0; i < D; i += LANES) store_bfloat16(rounded + i, load(q + i));
#endif
    }

    // Sixteen parts of q k.
    vf dot(const T *k) const {
        vf total = {};
        int i = 0;
#ifdef __AVX512BF16__
        if (sizeof(T) == 2)
            for (; i + 2 * LANES <= D; i += 2 * LANES)
                total = _mm512_dpbf16_ps(total, (__m512bh)_mm512_loadu_si512(rounded + i),
                                         (__m512bh)_mm512_loadu_si512(k + i));
#endif
        for (; i < D; i += LANES) total += load(x + i) * load_cached(k + i);
        return total;
    }
};

// Ask for memory before it is needed: pages lie apart, and nobody else knows which is next.
template <typename T>
inline void prefetch(const T *p, int num) {
    constexpr int LINE = 64 / sizeof(T);
    for (int i = 0; i < num; i += LINE) __builtin_prefetch(p + i);
}

// Where a stretch of a sequence lies, and of which head.
template <typename T>
struct Stretch {
    const T *keys, *values;
    int row, begin, end;
};

// Q queries of one key/value head over the tokens [begin, end): softmax as it goes (Milakov and
// Gimelshein 2018), sixteen tokens at a time. q (Q, D); out (Q, D + 16): a sum of values, its
// greatest score, its weight. Sizes are known when compiled, so that sums stay in registers, and a
// value that is read serves every query.
template <typename T, int D, int Q>
void attend_stretch(const Model &m, const Batch &b, const Stretch<T> &s, const float *q,
                    float *out) {
    constexpr int DV = D / LANES;
    const vi lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    Query<T, D> queries[Q];
    float best[Q], chances[Q][LANES];
    vf weights[Q] = {}, sums[Q][DV] = {};
    for (int i = 0; i < Q; i++) queries[i].set(q + i * D), best[i] = HIDDEN;
    for (int start = s.begin / LANES * LANES; start < s.end; start += LANES) {
        const int from = std::max(start, s.begin), to = std::min(start + LANES, s.end);
        // one page holds all sixteen: its size is a multiple
        const int64_t at = (slot_of(m, b, s.row, from) - (from - start)) * D;
        const T *keys = s.keys + at, *values = s.values + at;
        if (start + LANES < s.end) {
            const int64_t next = slot_of(m, b, s.row, start + LANES) * D;
            prefetch(s.keys + next, LANES * D), prefetch(s.values + next, LANES * D);
        }
        vf dots[Q][LANES];
        for (int t = from - start; t < to - start; t++)
            for (int i = 0; i < Q; i++) dots[i][t] = queries[i].dot(keys + t * D);
        const vi seen = (lanes >= from - start) & (lanes < to - start);
        for (int i = 0; i < Q; i++) {
            const vf scores = seen ? sum_each(dots[i]) * m.score_scale : splat(HIDDEN);
            const float now = std::max(best[i], most(scores));
            if (now > best[i]) {
                const float fade = std::exp(best[i] - now);
                best[i] = now, weights[i] *= fade;
                for (int d = 0; d < DV; d++) sums[i][d] *= fade;
            }
            const vf chance = exponential(scores - now);
            weights[i] += seen ? chance : vf{};
            store(chances[i], chance);
        }
        for (int t = from - start; t < to - start; t++)
            for (int d = 0; d < DV; d++) {
                const vf value = load_cached(values + t * D + d * LANES);
                for (int i = 0; i < Q; i++) sums[i][d] += value * chances[i][t];
            }
    }
    for (int i = 0; i < Q; i++, out += D + LANES) {
        for (int d = 0; d < DV; d++) store(out + d * LANES, sums[i][d]);
        out[D] = best[i], out[D + 1] = sum(weights[i]);
    }
}

// All G queries of the head, as many together as registers hold their sums.
template <typename T, int D>
void attend_group(const Model &m, const Batch &b, const Stretch<T> &s, const float *q, float *out) {
    constexpr int MOST = std::max(1, std::min(4, 16 * LANES / D));
    const int G = m.num_heads / m.num_kv_heads;
    for (int g = 0, num; g < G; g += num, q += num * D, out += num * (D + LANES)) {
        num = std::min(G - g, MOST);
        if constexpr (MOST >= 4)
            if (num == 4) attend_stretch<T, D, 4>(m, b, s, q, out);
        if constexpr (MOST >= 3)
            if (num == 3) attend_stretch<T, D, 3>(m, b, s, q, out);
        if constexpr (MOST >= 2)
            if (num == 2) attend_stretch<T, D, 2>(m, b, s, q, out);
        if (num == 1) attend_stretch<T, D, 1>(m, b, s, q, out);
    }
}

template <typename T>
using AttendGroup = void (*)(const Model &, const Batch &, const Stretch<T> &, const float *,
                             float *);

// runner.py knows the sizes as well: a model with another is PyTorch's.
template <typename T>
AttendGroup<T> attend_group_for(int D) {
    switch (D) {
        case 16: return attend_group<T, 16>;
        case 32: return attend_group<T, 32>;
        case 64: return attend_group<T, 64>;
        case 80: return attend_group<T, 80>;
        case 96: return attend_group<T, 96>;
        case 128: return attend_group<T, 128>;
        default: return attend_group<T, 256>;
    }
}

// Tasks (row, key/value head, part), every `num`-th of them; `partial` (R, Hkv, parts, G, D + 16).
template <typename T>
void attend(const Model &m, const Layer &l, const Batch &b, const float *qkv, float *partial,
            int parts, int thread, int num) {
    const int D = m.head_dim, G = m.num_heads / m.num_kv_heads;
    const int num_tasks = b.num_rows * m.num_kv_heads * parts;
    const AttendGroup<T> attend_its = attend_group_for<T>(D);
    for (int task = thread; task < num_tasks; task += num) {
        const int part = task % parts, head = task / parts % m.num_kv_heads;
        const int row = task / parts / m.num_kv_heads;
        const int end = b.positions[row] + 1;
        const int first = l.window && end > l.window ? end - static_cast<int>(l.window) : 0;
        int from, to;
        share((end - first + LANES - 1) / LANES, part, parts, from, to);
        const Stretch<T> stretch = {
            static_cast<const T *>(l.keys) + head * m.num_slots * D,
            static_cast<const T *>(l.values) + head * m.num_slots * D,
            row,
            first + from * LANES,
            std::min(end, first + to * LANES),
        };
        attend_its(m, b, stretch, qkv + int64_t(row) * qkv_size(m) + head * G * D,
                   partial + int64_t(task) * G * (D + LANES));
    }
}

// Join the parts of every head: (R, H, parts) partial sums -> out (R, H D).
void join_parts(const Model &m, const Batch &b, const float *partial, int parts, float *out) {
    const int D = m.head_dim, G = m.num_heads / m.num_kv_heads, size = D + LANES;
    for (int task = 0; task < b.num_rows * m.num_heads; task++, out += D) {
        const float *all = partial + int64_t(task / G) * parts * G * size + task % G * size;
        float best = HIDDEN, weight = 0.0f;
        for (int p = 0; p < parts; p++) best = std::max(best, all[p * G * size + D]);
        for (int i = 0; i < D; i += LANES) store(out + i, vf{});
        for (int p = 0; p < parts; p++) {
            const float *one = all + p * G * size;
            const float share = one[D + 1] > 0 ? std::exp(one[D] - best) : 0.0f;
            weight += one[D + 1] * share;
            for (int i = 0; i < D; i += LANES)
                store(out + i, load(out + i) + load(one + i) * share);
        }
        for (int i = 0; i < D; i += LANES) store(out + i, load(out + i) / weight);
    }
}

}  // namespace
