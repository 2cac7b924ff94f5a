// Sixteen floats at a time, in the vector types of GCC: one register of AVX-512, two of AVX2.

#pragma once

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr int LANES = 16;

typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint32_t vu __attribute__((vector_size(64)));
typedef int8_t chars16 __attribute__((vector_size(16)));
typedef uint16_t words16 __attribute__((vector_size(32)));
typedef int16_t shorts16 __attribute__((vector_size(32)));
typedef _Float16 halves16 __attribute__((vector_size(32)));

inline vf load(const float *p) {
    vf v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline void store(float *p, vf v) { std::memcpy(p, &v, sizeof v); }

inline vf splat(float x) { return vf{x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

// Sixteen words, as integers.
inline vi load_words(const void *p) {
    words16 w;
    std::memcpy(&w, p, sizeof w);
    return __builtin_convertvector(w, vi);
}

inline vi load_integers(const void *p) {
    vi v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline vf to_floats(vi v) { return __builtin_convertvector(v, vf); }

// Of numbers below 2^22: 1.5 * 2^23 leaves no bit for a fraction.
inline vi to_nearest(vf v) { return __builtin_convertvector(v + 12582912.0f - 12582912.0f, vi); }

inline void store_bytes(int8_t *p, vi v) {
    const chars16 c = __builtin_convertvector(__builtin_convertvector(v, shorts16), chars16);
    std::memcpy(p, &c, sizeof c);
}

// Sixteen sums of four products, added to `total`: of a lane's bytes, 0 to 15 each, with the four
// signed bytes of `inputs`.
inline vi add_products(vi total, vi levels, int32_t inputs) {
#if defined(__AVX512VNNI__)
    return (vi)_mm512_dpbusd_epi32((__m512i)total, (__m512i)levels, _mm512_set1_epi32(inputs));
#elif defined(__AVX512BW__)
    const __m512i pairs = _mm512_maddubs_epi16((__m512i)levels, _mm512_set1_epi32(inputs));
    return total + (vi)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
#elif defined(__AVX2__) && __GNUC__ >= 12
    // halves by shuffles: a copy of them goes through memory, and takes twice as long
    typedef int32_t vi8 __attribute__((vector_size(32)));
    const __m256i values = _mm256_set1_epi32(inputs), ones = _mm256_set1_epi16(1);
    const vi8 first = __builtin_shufflevector(levels, levels, 0, 1, 2, 3, 4, 5, 6, 7);
    const vi8 last = __builtin_shufflevector(levels, levels, 8, 9, 10, 11, 12, 13, 14, 15);
    const vi8 low = (vi8)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)first, values), ones);
    const vi8 high = (vi8)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)last, values), ones);
    return total + __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7,  //
                                           8, 9, 10, 11, 12, 13, 14, 15);
#elif defined(__AVX2__)
    __m256i sums[2], bytes[2];
    std::memcpy(sums, &total, sizeof total), std::memcpy(bytes, &levels, sizeof levels);
    for (int half = 0; half < 2; half++) {
        const __m256i pairs = _mm256_maddubs_epi16(bytes[half], _mm256_set1_epi32(inputs));
        sums[half] =
            _mm256_add_epi32(sums[half], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
    std::memcpy(&total, sums, sizeof total);
    return total;
#else
    for (int i = 0; i < 32; i += 8)
        total += (levels >> i & 255) * static_cast<int32_t>(static_cast<int8_t>(inputs >> i));
    return total;
#endif
}

inline vf load_bfloat16(const uint16_t *p) {
    return reinterpret_cast<vf>(load_words(p) << 16);
}

inline vf load_float16(const uint16_t *p) {
#ifdef __AVX512F__
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
#elif defined(__F16C__)
    // GCC converts a vector of them one by one
    float both[LANES];
    for (int i = 0; i < LANES; i += 8) {
        const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p + i));
        _mm256_storeu_ps(both + i, _mm256_cvtph_ps(halves));
    }
    return load(both);
#else
    halves16 h;
    std::memcpy(&h, p, sizeof h);
    return __builtin_convertvector(h, vf);
#endif
}

// GCC makes scalars of a conversion to elements of more than twice the size, hence in steps.
inline vf load_int8(const int8_t *p) {
    chars16 c;
    std::memcpy(&c, p, sizeof c);
#ifdef __AVX512F__
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(reinterpret_cast<__m128i>(c)));
#else
    return __builtin_convertvector(
        __builtin_convertvector(__builtin_convertvector(c, shorts16), vi), vf);
#endif
}

// To nearest, ties to even.
inline void store_bfloat16(uint16_t *p, vf v) {
    vu bits = reinterpret_cast<vu>(v);
    bits = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const words16 w = __builtin_convertvector(bits, words16);
    std::memcpy(p, &w, sizeof w);
}

// Halves, then halves of halves: GCC makes shuffles of it, and no trip through memory.
inline float sum(vf v) {
    const vi by8 = {8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7};
    const vi by4 = {4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15};
    const vi by2 = {2, 3, 0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    v += __builtin_shuffle(v, by8);
    v += __builtin_shuffle(v, by4);
    v += __builtin_shuffle(v, by2);
    return v[0] + v[1];
}

// The sum of each of sixteen vectors, in the lane of its number: halves are added and joined, four
// times over, which costs a third of sixteen sums.
#ifdef __AVX512F__
inline vf fold(vf a, vf b, vi low, vi high) {
    return __builtin_shuffle(a, b, low) + __builtin_shuffle(a, b, high);
}

inline vf sum_each(vf (&v)[LANES]) {
    const vi by8 = {0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23};
    const vi by4 = {0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27};
    const vi by2 = {0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29};
    const vi by1 = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
    for (int i = 0; i < 8; i++) v[i] = fold(v[2 * i], v[2 * i + 1], by8, by8 + 8);
    for (int i = 0; i < 4; i++) v[i] = fold(v[2 * i], v[2 * i + 1], by4, by4 + 4);
    for (int i = 0; i < 2; i++) v[i] = fold(v[2 * i], v[2 * i + 1], by2, by2 + 2);
    return fold(v[0], v[1], by1, by1 + 1);
}
#else
inline vf sum_each(vf (&v)[LANES]) {
    vf sums;
    for (int i = 0; i < LANES; i++) sums[i] = sum(v[i]);
    return sums;
}
#endif

inline vf greater(vf a, vf b) { return a > b ? a : b; }

inline float most(vf v) {
    const vi by8 = {8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7};
    const vi by4 = {4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15};
    const vi by2 = {2, 3, 0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    v = greater(v, __builtin_shuffle(v, by8));
    v = greater(v, __builtin_shuffle(v, by4));
    v = greater(v, __builtin_shuffle(v, by2));
    return v[0] > v[1] ? v[0] : v[1];
}

// e^x: x = n ln 2 + r, a polynomial in r (as in Cephes' expf), n into the exponent's bits.
inline vf exponential(vf x) {
    x = x > splat(88.0f) ? splat(88.0f) : x;
    x = x < splat(-87.0f) ? splat(-87.0f) : x;
    vf shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: rounds to an integer
    vf n = shifted - 12582912.0f;
    vf r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = splat(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
    vf power;
    std::memcpy(&power, &exponent, sizeof power);
    return p * power;
}

// x (size) -> out = x / rms(x) * weight
void rms_norm(const float *x, const float *weight, float *out, int size, float eps) {
    vf squares = {};
    for (int i = 0; i < size; i += LANES) squares += load(x + i) * load(x + i);
    float scale = 1.0f / std::sqrt(sum(squares) / size + eps);
    for (int i = 0; i < size; i += LANES) store(out + i, load(x + i) * scale * load(weight + i));
}

// The share of `total` pieces that thread `thread` of `num` does.
inline void share(int total, int thread, int num, int &begin, int &end) {
    begin = static_cast<int>(static_cast<int64_t>(total) * thread / num);
    end = static_cast<int>(static_cast<int64_t>(total) * (thread + 1) / num);
}

}  // namespace
