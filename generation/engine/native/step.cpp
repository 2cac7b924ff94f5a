// A model's pass over a few tokens, in one parallel region: what decoding does all day.
//
// The same arithmetic as model.py, for models with RMS norms, gated feed-forward and rotary
// positions; activations are float32 throughout. Knows no files and no Python. Shapes as in
// model.py: R rows (tokens), C = d_model, F = d_ff, H query and Hkv key/value heads, G = H / Hkv,
// D = head_dim; S slots of the cache; a matrix has N outputs and K inputs.

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "attention.h"
#include "products.h"
#include "shapes.h"
#include "vectors.h"

namespace {

enum Activation : int32_t { SILU = 0, GELU_TANH = 1 };

inline vf activate(vf x, int activation) {
    if (activation == SILU) return x / (1.0f + exponential(-x));
    // x sigmoid(2 u) = x (1 + tanh u) / 2
    vf u = 0.7978845608f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exponential(-2.0f * u));
}

// A thread's own memory, and what all of them share, cut from one piece.
struct Scratch {
    float *x, *input, *attended, *up, *prepared;  // own: (R, C), (R, C), (R, H D), (R, 32), Rows
    float *qkv, *product, *gated, *partial;   // shared: (R, (H + 2 Hkv) D), (R, C), (R, F), below
};

struct Sizes {
    int64_t own, shared;
};

inline int64_t align(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

// Into how many stretches the tokens of a row are cut, so that all threads have attention to do.
inline int num_parts(const Model &m, int num_rows, int num_threads) {
    int tasks = num_rows * m.num_kv_heads;
    return std::max(1, std::min(16, (4 * num_threads + tasks - 1) / tasks));
}

// A partial result of attention: a sum of values, its greatest score, its weight.
inline int partial_size(const Model &m) { return m.head_dim + LANES; }

inline int64_t q_size(const Model &m) { return int64_t(m.num_heads) * m.head_dim; }

Sizes sizes_of(const Model &m, int num_rows, int num_threads) {
    const int64_t widest = std::max<int64_t>({m.d_model, m.d_ff, q_size(m)});
    const int64_t parts = num_parts(m, num_rows, num_threads);
    Sizes s;
    s.own = num_rows * (2 * align(m.d_model) + align(q_size(m)) + BLOCK +
                        align(prepared_size(widest)));
    s.shared = num_rows * (align(qkv_size(m)) + align(m.d_model) + align(m.d_ff) +
                           m.num_heads * parts * partial_size(m));
    return s;
}

Scratch cut(const Model &m, const Sizes &s, float *memory, int num_rows, int thread) {
    Scratch c;
    c.qkv = memory;
    c.product = c.qkv + num_rows * align(qkv_size(m));
    c.gated = c.product + num_rows * align(m.d_model);
    c.partial = c.gated + num_rows * align(m.d_ff);
    c.x = memory + s.shared + thread * s.own;
    c.input = c.x + num_rows * align(m.d_model);
    c.attended = c.input + num_rows * align(m.d_model);
    c.up = c.attended + num_rows * align(q_size(m));
    c.prepared = c.up + num_rows * BLOCK;
    return c;
}

// This thread's share of act(x Wgate^T) * (x Wup^T) -> out (R, F). A block of gates and its block
// of ups are one task: what the task leaves in out's rows is its own.
void multiply_gated(const Model &m, const Layer &l, int num_rows, const Scratch &c, int thread,
                    int num) {
    const Rows rows = prepare(l.gate_up, num_rows, c.input, c.prepared);
    const int half = m.d_ff / BLOCK;
    int begin, end;
    share(half, thread, num, begin, end);
    for (int block = begin; block < end; block++) {
        float *gate = c.gated + block * BLOCK;
        multiply(l.gate_up, block, num_rows, rows, gate, m.d_ff);
        multiply(l.gate_up, half + block, num_rows, rows, c.up, BLOCK);
        for (int r = 0; r < num_rows; r++)
            for (int i = 0; i < BLOCK; i += LANES) {
                float *at = gate + r * m.d_ff + i;
                store(at, activate(load(at), m.activation) * load(c.up + r * BLOCK + i));
            }
    }
}

// x (R, C) += product, through a norm where the model has one there; `spare` (C,) is overwritten.
// Every thread does it for itself.
void add_rows(const Model &m, float *x, const float *product, const float *norm, float *spare,
              int num_rows) {
    for (int r = 0; r < num_rows; r++, x += m.d_model, product += m.d_model) {
        const float *term = product;
        if (norm) rms_norm(product, norm, spare, m.d_model, m.eps), term = spare;
        for (int i = 0; i < m.d_model; i += LANES) store(x + i, load(x + i) + load(term + i));
    }
}

void norm_rows(const Model &m, const float *x, const float *norm, float *out, int num_rows) {
    for (int r = 0; r < num_rows; r++)
        rms_norm(x + r * m.d_model, norm, out + r * m.d_model, m.d_model, m.eps);
}

// The story: as `Block.forward`, layer after layer. A barrier stands where threads read what
// others wrote; what is cheap each does for itself instead of waiting.
void run(const Model &m, const Batch &b, float *hidden, const Scratch &c, int parts, int thread,
         int num) {
    const int R = b.num_rows;
    std::memcpy(c.x, hidden, sizeof(float) * R * m.d_model);
    for (int index = 0; index < m.num_layers; index++) {
        const Layer &l = m.layers[index];
        norm_rows(m, c.x, l.attention_norm, c.input, R);
        multiply_share(l.qkv, R, c.input, c.prepared, c.qkv, thread, num);
#pragma omp barrier
        finish_heads(m, l, b, c.qkv, thread, num);
#pragma omp barrier
        if (m.cache_is_float32) attend<float>(m, l, b, c.qkv, c.partial, parts, thread, num);
        else attend<uint16_t>(m, l, b, c.qkv, c.partial, parts, thread, num);
#pragma omp barrier
        join_parts(m, b, c.partial, parts, c.attended);
        multiply_share(l.out, R, c.attended, c.prepared, c.product, thread, num);
#pragma omp barrier
        add_rows(m, c.x, c.product, l.attention_out_norm, c.input, R);
        norm_rows(m, c.x, l.feed_forward_norm, c.input, R);
        multiply_gated(m, l, R, c, thread, num);
#pragma omp barrier
        multiply_share(l.down, R, c.gated, c.prepared, c.product, thread, num);
#pragma omp barrier
        add_rows(m, c.x, c.product, l.feed_forward_out_norm, c.input, R);
    }
    // all have read what `hidden` held: barriers lie between
    if (thread == 0) norm_rows(m, c.x, m.norm, hidden, R);
}

}  // namespace

extern "C" {

// What library.py compares with its own: Matrix, Layer, Model, Batch in bytes.
void layout_sizes(int64_t *out) {
    out[0] = sizeof(Matrix), out[1] = sizeof(Layer), out[2] = sizeof(Model), out[3] = sizeof(Batch);
}

// Floats of memory that `run_step` needs.
int64_t step_memory(const Model *m, int32_t num_rows, int32_t num_threads) {
    const Sizes s = sizes_of(*m, num_rows, num_threads);
    return s.shared + num_threads * s.own;
}

// hidden (R, C): the embedded tokens before, the normed hidden states after; keys and values kept.
void run_step(const Model *m, const Batch *b, float *hidden, float *memory, int32_t num_threads) {
    const Sizes sizes = sizes_of(*m, b->num_rows, num_threads);
    const int parts = num_parts(*m, b->num_rows, num_threads);
#pragma omp parallel num_threads(num_threads)
    {
        const int thread = omp_get_thread_num();
        const Scratch c = cut(*m, sizes, memory, b->num_rows, thread);
        run(*m, *b, hidden, c, parts, thread, omp_get_num_threads());
    }
}

// x (R, K) -> out (R, N); memory: `prepared_size` floats a row and thread.
void run_product(const Matrix *m, int32_t num_rows, const float *x, float *out, float *memory,
                 int32_t num_threads) {
#pragma omp parallel num_threads(num_threads)
    {
        const int thread = omp_get_thread_num();
        float *own = memory + thread * num_rows * prepared_size(m->num_in);
        multiply_share(*m, num_rows, x, own, out, thread, omp_get_num_threads());
    }
}
}
