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
template <typename T>
struct Query {
    const float *x;
    uint16_t rounded[MAX_HEAD];

    Query(const float *q, int D) : x(q) {
#ifdef __AVX512BF16__
        if (sizeof(T) == 2)
            for (int i = 0; i < D; i += LANES) store_bfloat16(rounded + i, load(q + i));
#else
        (void)D;
#endif
    }
};

// Sixteen parts of q k.
template <typename T>
inline vf dot(const Query<T> &q, const T *k, int D) {
    vf total = {};
    int i = 0;
#ifdef __AVX512BF16__
    if (sizeof(T) == 2)
        for (; i + 2 * LANES <= D; i += 2 * LANES)
            total = _mm512_dpbf16_ps(total, (__m512bh)_mm512_loadu_si512(q.rounded + i),
                                     (__m512bh)_mm512_loadu_si512(k + i));
#endif
    for (; i < D; i += LANES) total += load(q.x + i) * load_cached(k + i);
    return total;
}

// One query's softmax as it goes: its weighted sum of values so far is in the caller's hands.
struct Running {
    float best = HIDDEN, weight = 0.0f;
};

// The queries of one key/value head over the tokens [begin, end): softmax as it goes (Milakov and
// Gimelshein 2018), sixteen tokens at a time. q (G, D); out (G, D + 16): a sum of values, its
// greatest score, its weight.
template <typename T>
void attend_part(const Model &m, const Batch &b, const T *keys, const T *values, int row,
                 const float *q, int begin, int end, float *out) {
    const int D = m.head_dim, G = m.num_heads / m.num_kv_heads, DV = D / LANES;
    const vi lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int g = 0; g < G; g++, q += D, out += D + LANES) {
        const Query<T> query(q, D);
        Running running;
        vf sums[MAX_HEAD / LANES] = {};
        for (int start = begin / LANES * LANES; start < end; start += LANES) {
            const int from = std::max(start, begin), to = std::min(start + LANES, end);
            // one page holds all sixteen: its size is a multiple
            const int64_t at = (slot_of(m, b, row, from) - (from - start)) * D;
            vf dots[LANES] = {};
            for (int t = from; t < to; t++)
                dots[t - start] = dot(query, keys + at + (t - start) * D, D);
            const vi seen = (lanes >= from - start) & (lanes < to - start);
            const vf scores = seen ? sum_each(dots) * m.score_scale : splat(HIDDEN);
            const float best = std::max(running.best, most(scores));
            if (best > running.best) {
                const float fade = std::exp(running.best - best);
                running.best = best, running.weight *= fade;
                for (int i = 0; i < DV; i++) sums[i] *= fade;
            }
            const vf chances = exponential(scores - best);
            running.weight += sum(chances);
            for (int t = from; t < to; t++) {
                const vf chance = splat(chances[t - start]);
                const T *v = values + at + (t - start) * D;
                for (int i = 0; i < DV; i++) sums[i] += load_cached(v + i * LANES) * chance;
            }
        }
        for (int i = 0; i < DV; i++) store(out + i * LANES, sums[i]);
        out[D] = running.best, out[D + 1] = running.weight;
    }
}

// Tasks (row, key/value head, part), every `num`-th of them; `partial` (R, Hkv, parts, G, D + 16).
template <typename T>
void attend(const Model &m, const Layer &l, const Batch &b, const float *qkv, float *partial,
            int parts, int thread, int num) {
    const int D = m.head_dim, G = m.num_heads / m.num_kv_heads;
    const int num_tasks = b.num_rows * m.num_kv_heads * parts;
    for (int task = thread; task < num_tasks; task += num) {
        const int part = task % parts, head = task / parts % m.num_kv_heads;
        const int row = task / parts / m.num_kv_heads;
        const int end = b.positions[row] + 1;
        const int first = l.window && end > l.window ? end - static_cast<int>(l.window) : 0;
        int from, to;
        share((end - first + LANES - 1) / LANES, part, parts, from, to);
        const T *keys = static_cast<const T *>(l.keys) + head * m.num_slots * D;
        const T *values = static_cast<const T *>(l.values) + head * m.num_slots * D;
        attend_part(m, b, keys, values, row,
                    qkv + int64_t(row) * qkv_size(m) + head * G * D, first + from * LANES,
                    std::min(end, first + to * LANES),
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
