// What Python hands over: a model, its layers, a batch. Pointers into tensors that Python keeps.

#pragma once

#include <cstdint>

extern "C" {

// The layouts that library.py declares; both are checked against `layout_sizes` when loaded.
struct Matrix {
    // INT4 (N / 32, K / 4, 16, 4): outputs i and 16 + i of a block in one byte, inputs by four;
    // INT8 (N / 32, K, 32); BFLOAT16 and FLOAT32 (N, K)
    const void *weights;
    // INT4 (N / 32, K / 32, 2, 32) float16: scale and low; INT8 (N,) float32; else null
    const void *scales;
    const float *bias;    // (N,) or null
    int32_t kind, num_out, num_in, unused;
};

struct Layer {
    Matrix qkv, out, gate_up, down;
    const float *attention_norm, *feed_forward_norm;          // (C,)
    const float *attention_out_norm, *feed_forward_out_norm;  // (C,) or null
    const float *q_norm, *k_norm;                             // (D,) or null
    void *keys, *values;                                      // (Hkv, S, D)
    const float *cos, *sin;                                   // (positions, D), null: not rotated
    int64_t window;                                           // tokens seen; 0: all before
};

struct Model {
    const Layer *layers;
    const float *norm;  // (C,)
    int64_t num_slots;
    int32_t num_layers, d_model, d_ff, num_heads, num_kv_heads, head_dim;
    int32_t page_size, activation, cache_is_float32;
    float eps, score_scale;
};

// R rows; row r is the token at `positions[r]` of the sequence whose pages begin at
// `pages[first_page[r]]`.
struct Batch {
    const int32_t *positions, *first_page, *pages;
    int32_t num_rows;
};

}
