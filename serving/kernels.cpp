// The small operations of a decoder layer, each in one pass over its data. T is float or bfloat16.
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>
#if defined(__AVX2__)
#include <immintrin.h>
#endif
#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#define HAS_TILES
#endif

namespace {

struct bfloat16 {
    uint16_t bits;
};

inline float load(float x) { return x; }
inline float load(bfloat16 x) {
    uint32_t bits = uint32_t(x.bits) << 16;
    float y;
    std::memcpy(&y, &bits, 4);
    return y;
}
inline void store(float& y, float x) { y = x; }
inline void store(bfloat16& y, float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    y.bits = uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// exp by 2^whole * polynomial(fraction), relative error below 3e-7; vectorises, unlike std::exp.
inline float fast_exp(float x) {
    x = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
    float scaled = x * 1.44269504f, whole = std::nearbyint(scaled), f = (scaled - whole) * 0.69314718f;
    float p = 1.0f + f * (1.0f + f * (0.5f + f * (0.16666667f + f * (0.041666667f + f * (8.3333333e-3f + f * 1.3888889e-3f)))));
    int32_t bits = (int32_t(whole) + 127) << 23;
    float power;
    std::memcpy(&power, &bits, 4);
    return p * power;
}

// Dot products of x [size] with four rows that lie `step` apart.
template <class T>
inline void dot4(long size, const float* x, const T* rows, long step, float* dots) {
    const T *r0 = rows, *r1 = rows + step, *r2 = rows + 2 * step, *r3 = rows + 3 * step;
    float d0 = 0, d1 = 0, d2 = 0, d3 = 0;
#pragma omp simd reduction(+ : d0, d1, d2, d3)
    for (long j = 0; j < size; j++) {
        d0 += x[j] * load(r0[j]);
        d1 += x[j] * load(r1[j]);
        d2 += x[j] * load(r2[j]);
        d3 += x[j] * load(r3[j]);
    }
    dots[0] = d0, dots[1] = d1, dots[2] = d2, dots[3] = d3;
}

template <class T>
inline float dot(long size, const float* x, const T* row) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (long j = 0; j < size; j++) sum += x[j] * load(row[j]);
    return sum;
}

// x += delta (unless null); y = x / rms(x) * weight. All [n, size].
template <class T>
void add_norm(long n, long size, T* x, const T* delta, const T* weight, float epsilon, T* y) {
    for (long i = 0; i < n; i++) {
        T *xi = x + i * size, *yi = y + i * size;
        if (delta) {
            const T* di = delta + i * size;
#pragma omp simd
            for (long j = 0; j < size; j++) store(xi[j], load(xi[j]) + load(di[j]));
        }
        float squares = 0;
#pragma omp simd reduction(+ : squares)
        for (long j = 0; j < size; j++) squares += load(xi[j]) * load(xi[j]);
        float scale = 1.0f / std::sqrt(squares / size + epsilon);
#pragma omp simd
        for (long j = 0; j < size; j++) store(yi[j], load(xi[j]) * scale * load(weight[j]));
    }
}

// y [n, size] = silu(gate) * up, where gate_up is [n, 2 * size].
template <class T>
void gated(long n, long size, const T* gate_up, T* y) {
#pragma omp parallel for if (n * size > 16384)
    for (long i = 0; i < n; i++) {
        const T *gate = gate_up + 2 * i * size, *up = gate + size;
        T* yi = y + i * size;
#pragma omp simd
        for (long j = 0; j < size; j++) {
            float g = load(gate[j]);
            store(yi[j], g / (1.0f + fast_exp(-g)) * load(up[j]));
        }
    }
}

template <class T>
inline void turn(T* x, const float* cosine, const float* sine, long half) {
#pragma omp simd
    for (long j = 0; j < half; j++) {
        float a = load(x[j]), b = load(x[j + half]);
        store(x[j], a * cosine[j] - b * sine[j]);
        store(x[j + half], b * cosine[j] + a * sine[j]);
    }
}

// Rotates queries and keys of qkv [n, (heads + 2 * kv_heads) * size] by their positions, and stores keys and values in
// keys and values [rows, kv_heads, columns, size]. cosine and sine are [columns, size / 2].
template <class T>
void rotate(long n, long heads, long kv_heads, long size, long columns, const int64_t* rows, const int64_t* positions,
            const float* cosine, const float* sine, T* qkv, T* keys, T* values) {
    long half = size / 2, width = (heads + 2 * kv_heads) * size;
    for (long i = 0; i < n; i++) {
        T* q = qkv + i * width;
        const float *c = cosine + positions[i] * half, *s = sine + positions[i] * half;
        for (long h = 0; h < heads + kv_heads; h++) turn(q + h * size, c, s, half);
        for (long h = 0; h < kv_heads; h++) {
            long at = ((rows[i] * kv_heads + h) * columns + positions[i]) * size;
            std::memcpy(keys + at, q + (heads + h) * size, size * sizeof(T));
            std::memcpy(values + at, q + (heads + kv_heads + h) * size, size * sizeof(T));
        }
    }
}

// One token's queries [heads of one key head, SIZE] over columns [0, length) of its row.
template <class T, long SIZE>
void attend_head(long group, long length, const T* q, const T* keys, const T* values, float scale, float* weights, T* y) {
    for (long g = 0; g < group; g++) {
        float query[SIZE], sum[SIZE] = {}, most = -FLT_MAX, total = 0;
        for (long j = 0; j < SIZE; j++) query[j] = load(q[g * SIZE + j]) * scale;
        long l = 0;
        for (; l + 4 <= length; l += 4) dot4(SIZE, query, keys + l * SIZE, SIZE, weights + l);
        for (; l < length; l++) weights[l] = dot(SIZE, query, keys + l * SIZE);
#pragma omp simd reduction(max : most)
        for (l = 0; l < length; l++) most = weights[l] > most ? weights[l] : most;
#pragma omp simd reduction(+ : total)
        for (l = 0; l < length; l++) total += weights[l] = fast_exp(weights[l] - most);
        for (l = 0; l < length; l++) {
            const T* v = values + l * SIZE;
            float weight = weights[l];
#pragma omp simd
            for (long j = 0; j < SIZE; j++) sum[j] += weight * load(v[j]);
        }
        float share = 1.0f / total;
        for (long j = 0; j < SIZE; j++) store(y[g * SIZE + j], sum[j] * share);
    }
}

// y [n, heads * size]: each token's attention over its own row, up to its own position.
template <class T, long SIZE>
void attend(long n, long heads, long kv_heads, long columns, const int64_t* rows, const int64_t* positions,
            const T* qkv, const T* keys, const T* values, float scale, T* y) {
    long group = heads / kv_heads, width = (heads + 2 * kv_heads) * SIZE, work = 0;
    for (long i = 0; i < n; i++) work += (positions[i] + 1) * heads;
#pragma omp parallel if (work > 2048)
    {
        std::vector<float> weights(columns);
#pragma omp for collapse(2) schedule(dynamic, 1)
        for (long i = 0; i < n; i++)
            for (long h = 0; h < kv_heads; h++) {
                long at = (rows[i] * kv_heads + h) * columns * SIZE;
                attend_head<T, SIZE>(group, positions[i] + 1, qkv + i * width + h * group * SIZE, keys + at, values + at,
                                     scale, weights.data(), y + (i * heads + h * group) * SIZE);
            }
    }
}

// y [n, out] += B (A x), x [n, inner]: each token uses columns [first, last) of a [columns, parts, inner] and
// b [columns, parts, out]; part p writes outputs [starts[p], starts[p + 1]) only. Each column is read once for all tokens,
// and a token's sums are the same with whatever others it is computed.
template <class T>
void low_rank(long n, long inner, long out, long parts, const int64_t* starts, const int64_t* first, const int64_t* last,
              const T* a, const T* b, const T* x, T* y) {
    const long block = 192, padded = (n + 3) / 4 * 4;
    long from = *std::min_element(first, first + n), to = *std::max_element(last, last + n), rows = (to - from) * parts;
    std::vector<float> given(padded * inner), low(rows * padded);
    for (long j = 0; j < n * inner; j++) given[j] = load(x[j]);
#pragma omp parallel if (n > 1)
    {
        std::vector<float> column(std::max(inner, block)), added(n * block);
#pragma omp for schedule(static)
        for (long r = 0; r < rows; r++) {
            const T* source = a + (from * parts + r) * inner;
            for (long j = 0; j < inner; j++) column[j] = load(source[j]);
            for (long t = 0; t < padded; t += 4)
                dot4(inner, column.data(), given.data() + t * inner, inner, low.data() + r * padded + t);
        }
#pragma omp for schedule(static)
        for (long begin = 0; begin < out; begin += block) {
            long end = std::min(begin + block, out);
            std::fill(added.begin(), added.end(), 0.0f);
            for (long r = 0; r < rows; r++) {
                long c = from + r / parts, p = r % parts;
                long low_end = std::max(begin, long(starts[p])), high_end = std::min(end, long(starts[p + 1]));
                if (low_end >= high_end) continue;
                const T* source = b + (from * parts + r) * out;
                for (long j = low_end; j < high_end; j++) column[j - begin] = load(source[j]);
                for (long t = 0; t < n; t++) {
                    if (c < first[t] || c >= last[t]) continue;
                    float share = low[r * padded + t], *sum = added.data() + t * block;
#pragma omp simd
                    for (long j = low_end - begin; j < high_end - begin; j++) sum[j] += share * column[j];
                }
            }
            for (long t = 0; t < n; t++)
                for (long j = begin; j < end; j++)
                    store(y[t * out + j], load(y[t * out + j]) + added[t * block + j - begin]);
        }
    }
}

const long LANES = 16;
#ifdef __AVX512F__
const long WIDE = 8;
#else
const long WIDE = 4;
#endif

typedef float Lanes __attribute__((vector_size(4 * LANES)));

// LANES weights as floats. Compilers find these conversions by themselves too rarely.
inline Lanes widened(const int8_t* weights) {
    Lanes wide;
#if defined(__AVX512F__)
    wide = (Lanes)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)weights)));
#elif defined(__AVX2__)
    __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)weights)));
    __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)(weights + 8))));
    std::memcpy(&wide, &low, 32);
    std::memcpy((char*)&wide + 32, &high, 32);
#else
    for (long j = 0; j < LANES; j++) wide[j] = weights[j];
#endif
    return wide;
}

// TOKENS rows of x [tokens, inner] times LANES outputs of packed weights [inner, LANES]. Two sums of each run side by side,
// so that neither waits for the one before; a row's sums are the same with whatever others it is computed.
template <class T, long TOKENS>
void coarse_block(long inner, long out, long lanes, const int8_t* weights, const float* scale, const float* x, T* y) {
    Lanes even[TOKENS] = {}, odd[TOKENS] = {};
    long k = 0;
    for (; k + 2 <= inner; k += 2) {
        __builtin_prefetch(weights + k * LANES + 2048);
        Lanes first = widened(weights + k * LANES), second = widened(weights + (k + 1) * LANES);
#pragma GCC unroll 8
        for (long t = 0; t < TOKENS; t++) {
            even[t] += x[t * inner + k] * first;
            odd[t] += x[t * inner + k + 1] * second;
        }
    }
    for (; k < inner; k++)
        for (long t = 0; t < TOKENS; t++) even[t] += x[t * inner + k] * widened(weights + k * LANES);
    for (long t = 0; t < TOKENS; t++)
        for (long j = 0; j < lanes; j++) store(y[t * out + j], (even[t][j] + odd[t][j]) * scale[j]);
}

// y [n, out] = x [n, inner] W^T, W given as int8 in blocks [out / LANES, inner, LANES] with a scale for each output.
template <class T>
void coarse(long n, long inner, long out, const int8_t* weights, const float* scale, const T* x, T* y) {
    std::vector<float> given(n * inner);
    for (long j = 0; j < n * inner; j++) given[j] = load(x[j]);
    long blocks = (out + LANES - 1) / LANES;
#pragma omp parallel for schedule(static)
    for (long b = 0; b < blocks; b++) {
        long from = b * LANES, lanes = out - from < LANES ? out - from : LANES;
        for (long t = 0; t < n;) {
            auto block = [&](auto tokens) {
                coarse_block<T, tokens.value>(inner, out, lanes, weights + from * inner, scale + from,
                                              given.data() + t * inner, y + t * out + from);
                t += tokens.value;
            };
            if (n - t >= WIDE) block(std::integral_constant<long, WIDE>());
            else if (n - t >= 4) block(std::integral_constant<long, 4>());
            else if (n - t >= 2) block(std::integral_constant<long, 2>());
            else block(std::integral_constant<long, 1>());
        }
    }
}

#ifdef HAS_TILES
// Outputs, tokens and inputs of one product of AMX tiles, of 16 rows of 64 bytes each.
const long TILE = 16, DEPTH = 32;
// Not every compiler knows that tiles read and write memory.
#define SETTLE __asm__ volatile("" ::: "memory")

// The kernel lets a process use tiles once it has asked: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
bool tiles_allowed() {
    static bool allowed = syscall(SYS_arch_prctl, 0x1023, 18) == 0;
    return allowed;
}

struct alignas(64) TileShapes {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes[16] = {};
    uint8_t rows[16] = {};
};

// DEPTH * TILE weights, pairs of inputs side by side, as bfloat16, which holds every int8 exactly.
inline void widen_pairs(const int8_t* weights, bfloat16* wide) {
    for (long j = 0; j < DEPTH * TILE; j += 32) {
        __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)(weights + j))));
        __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)(weights + j + 16))));
        _mm512_store_si512(wide + j, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

// Up to 4 * TILE rows of x [tokens, inner] times TILE outputs of packed weights [inner / 2, TILE, 2].
void tile_block(long tokens, long inner, long out, long lanes, const int8_t* weights, const float* scale,
                const bfloat16* x, bfloat16* y) {
    alignas(64) bfloat16 wide[2][DEPTH * TILE];
    alignas(64) float sums[TILE * TILE];
    long full = (tokens - 1) / TILE, step = inner * 2;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (long k = 0; k < inner; k += DEPTH) {
        bfloat16* here = wide[k / DEPTH % 2];
        for (long j = 0; j < DEPTH * TILE; j += 64) __builtin_prefetch(weights + k * TILE + 4096 + j);
        widen_pairs(weights + k * TILE, here);
        SETTLE;
        _tile_loadd(6, here, 64);
#define ADD(sum, held, first)                            \
    _tile_loadd(held, x + (first) * inner + k, step);    \
    _tile_dpbf16ps(sum, held, 6);
        if (full > 0) { ADD(0, 4, 0) }
        if (full > 1) { ADD(1, 4, TILE) }
        if (full > 2) { ADD(2, 4, 2 * TILE) }
        ADD(3, 5, full * TILE)
    }
    auto keep = [&](long first) {
        for (long t = first; t < std::min(first + TILE, tokens); t++)
            for (long j = 0; j < lanes; j++) store(y[t * out + j], sums[(t - first) * TILE + j] * scale[j]);
    };
#define KEEP(sum, first)            \
    _tile_stored(sum, sums, 64);    \
    SETTLE;                         \
    keep(first);
    if (full > 0) { KEEP(0, 0) }
    if (full > 1) { KEEP(1, TILE) }
    if (full > 2) { KEEP(2, 2 * TILE) }
    KEEP(3, full * TILE)
}

void tile_product(long n, long inner, long out, const int8_t* weights, const float* scale, const bfloat16* x, bfloat16* y) {
    long blocks = (out + TILE - 1) / TILE;
#pragma omp parallel
    for (long t = 0; t < n; t += 4 * TILE) {
        long tokens = std::min(n - t, 4 * TILE);
        TileShapes shapes;
        for (long tile = 0; tile < 7; tile++) shapes.bytes[tile] = 64, shapes.rows[tile] = TILE;
        shapes.rows[3] = shapes.rows[5] = tokens - (tokens - 1) / TILE * TILE;
        _tile_loadconfig(&shapes);
#pragma omp for schedule(static) nowait
        for (long b = 0; b < blocks; b++) {
            long from = b * TILE;
            tile_block(tokens, inner, out, std::min(out - from, TILE), weights + from * inner, scale + from, x + t * inner,
                       y + t * out + from);
        }
        _tile_release();
    }
}
#endif

// Inputs that lie side by side in packed weights [out / LANES, inner / paired, LANES, paired].
long paired(long inner, const float*) { return 1; }
long paired(long inner, const bfloat16*) {
#ifdef HAS_TILES
    if (inner % DEPTH == 0 && tiles_allowed()) return 2;
#endif
    return 1;
}

void packed_product(long n, long inner, long out, const int8_t* weights, const float* scale, const float* x, float* y) {
    coarse(n, inner, out, weights, scale, x, y);
}
void packed_product(long n, long inner, long out, const int8_t* weights, const float* scale, const bfloat16* x, bfloat16* y) {
#ifdef HAS_TILES
    if (paired(inner, x) == 2) return tile_product(n, inner, out, weights, scale, x, y);
#endif
    coarse(n, inner, out, weights, scale, x, y);
}

// best [n]: where each row of scores [n, size] is largest, the first of equals.
template <class T>
void largest(long n, long size, const T* scores, int64_t* best) {
    const long block = 512;
#pragma omp parallel for if (n > 1)
    for (long i = 0; i < n; i++) {
        const T* row = scores + i * size;
        float most = -FLT_MAX;
        long found = 0;
        for (long from = 0; from < size; from += block) {
            long to = from + block < size ? from + block : size;
            float here = -FLT_MAX;
#pragma omp simd reduction(max : here)
            for (long j = from; j < to; j++) here = load(row[j]) > here ? load(row[j]) : here;
            if (here > most) most = here, found = from;
        }
        while (found < size - 1 && !(load(row[found]) >= most)) found++;
        best[i] = found;
    }
}

}  // namespace

#define EXPORT(T, name)                                                                                                \
    extern "C" void add_norm_##name(long n, long size, T* x, const T* delta, const T* weight, float epsilon, T* y) {    \
        add_norm(n, size, x, delta, weight, epsilon, y);                                                               \
    }                                                                                                                  \
    extern "C" void gated_##name(long n, long size, const T* gate_up, T* y) { gated(n, size, gate_up, y); }             \
    extern "C" void rotate_##name(long n, long heads, long kv_heads, long size, long columns, const int64_t* rows,      \
                                  const int64_t* positions, const float* cosine, const float* sine, T* qkv, T* keys,   \
                                  T* values) {                                                                         \
        rotate(n, heads, kv_heads, size, columns, rows, positions, cosine, sine, qkv, keys, values);                   \
    }                                                                                                                  \
    extern "C" void attend_##name(long n, long heads, long kv_heads, long size, long columns, const int64_t* rows,      \
                                  const int64_t* positions, const T* qkv, const T* keys, const T* values, float scale, \
                                  T* y) {                                                                              \
        if (size == 64) attend<T, 64>(n, heads, kv_heads, columns, rows, positions, qkv, keys, values, scale, y);       \
        if (size == 128) attend<T, 128>(n, heads, kv_heads, columns, rows, positions, qkv, keys, values, scale, y);     \
    }                                                                                                                  \
    extern "C" void low_rank_##name(long n, long inner, long out, long parts, const int64_t* starts,                    \
                                    const int64_t* first, const int64_t* last, const T* a, const T* b, const T* x,     \
                                    T* y) {                                                                            \
        low_rank(n, inner, out, parts, starts, first, last, a, b, x, y);                                               \
    }                                                                                                                  \
    extern "C" void coarse_##name(long n, long inner, long out, const int8_t* weights, const float* scale, const T* x,  \
                                  T* y) {                                                                              \
        packed_product(n, inner, out, weights, scale, x, y);                                                           \
    }                                                                                                                  \
    extern "C" long paired_##name(long inner) { return paired(inner, (const T*)nullptr); }                              \
    extern "C" void largest_##name(long n, long size, const T* scores, int64_t* best) { largest(n, size, scores, best); }

EXPORT(float, float32)
EXPORT(bfloat16, bfloat16)
