// The convolution as one product of matrices whose left one is never stored: "implicit GEMM".
//
// The targets (pixels of y, or of dx) are the rows of c, the target's channels its columns. Along K
// run the taps of the window, and for each the channels of the source (x, or dy): row m of `a` is
// what target m sees. It is gathered from the image where a tile needs it. b is the filters.
//
// The input gradient is the same sum, only that the window looks the other way: a pixel of dx
// gathers from the outputs whose windows saw it. At stride S those lie under every S-th tap only,
// and which taps these are depends on the pixel's row and column modulo S. So the pixels are taken
// in S x S phases; within one, the same taps see every pixel, and no products with zero remain.
//
// Source: Chetlur et al. 2014, "cuDNN: efficient primitives for deep learning", section 3.

// The targets first + u step for u < count, seen by the taps tap + a tap_step for a < taps. Tap a
// of target u looks at the source's start + u move + a tap_move.
struct Phase {
    int count, first, step, taps, tap, tap_step, start, move, tap_move;
};

struct Target {
    int source, row, column, target;  // offset in the source, place there, offset in the target
};

struct Tap {
    int source, row, column, filter;  // what to add to a Target's; offset in the filters
};

// Work out one tile of the target, or this block's share of the sums in it: with more than one
// split, results are in `wide`, one array after the other, and are yet to be added up.
template <class Filters>
__device__ __forceinline__ void gather(const real* source, const real* filters, const real* bias,
                                       void* target, const Convolution& t, Phase rows,
                                       Phase columns, int group, int split) {
    __shared__ Piece<TILE_M, true> a[STAGES];
    __shared__ typename Filters::Tile b[STAGES];
    __shared__ Target targets[TILE_M];
    __shared__ Tap taps[2][TILE_K];

    const int m0 = blockIdx.x * TILE_M, n0 = blockIdx.y * TILE_N;
    const int pixels = t.images * rows.count * columns.count, all = t.groups * t.to;
    const int k_count = rows.taps * columns.taps * t.from;
    if (m0 >= pixels) return;
    source += group * t.from * t.stride[3];

    for (int i = threadIdx.x; i < TILE_M; i += THREADS) {
        const int m = m0 + i, u = m / columns.count % rows.count, v = m % columns.count;
        const int n = m / columns.count / rows.count;
        const int row = rows.start + u * rows.move, column = columns.start + v * columns.move;
        const int place = (n * t.rows.target + rows.first + u * rows.step) * t.columns.target +
                          columns.first + v * columns.step;
        targets[i] = {n * t.stride[0] + row * t.stride[1] + column * t.stride[2], row, column,
                      place * all + group * t.to};
        if (m >= pixels) targets[i] = {0, FAR, FAR, -1};
    }

    auto list = [&](int step, int slot) {
        for (int i = threadIdx.x; i < TILE_K; i += THREADS) {
            const int k = step * TILE_K + i, c = k % t.from, tap = k / t.from;
            if (k >= k_count) {
                taps[slot][i] = {0, FAR, FAR, -1};
                continue;
            }
            const int u = tap / columns.taps, v = tap % columns.taps;
            const int row = u * rows.tap_move, column = v * columns.tap_move;
            const int place = (rows.tap + u * rows.tap_step) * t.columns.taps + columns.tap +
                              v * columns.tap_step;
            taps[slot][i] = {row * t.stride[1] + column * t.stride[2] + c * t.stride[3], row,
                             column, Filters::offset(t, group, place, c)};
        }
    };
    auto load = [&](int step, int slot, int stage) {
        constexpr int LINE = TILE_K / IMAGE_VECTOR;
        for (int i = threadIdx.x; i < TILE_M * LINE; i += THREADS) {
            const int m = i / LINE, k = i % LINE * IMAGE_VECTOR;
            const Target to = targets[m];
            const Tap tap = taps[slot][k];
            const bool inside = (unsigned)(to.row + tap.row) < (unsigned)t.rows.source &&
                                (unsigned)(to.column + tap.column) < (unsigned)t.columns.source;
            copy<IMAGE_VECTOR>(a[stage].at(m, k), source + to.source + tap.source, source, inside);
        }
        Filters::load(b[stage], filters, taps[slot], n0, t);
    };
    Sums sums{};
    const int steps = (k_count + TILE_K - 1) / TILE_K;
    walk(steps * split / t.splits, steps * (split + 1) / t.splits, list, load,
         [&](int stage) { sums.add(a[stage], b[stage]); });

    const long long size = (long long)t.images * t.rows.target * t.columns.target * all;
    sums.each([&](int m) { return targets[m].target; },
              [&](int place, int n, wide sum) {
                  if (n0 + n >= t.to) return;
                  const int i = place + n0 + n;
                  if (t.splits > 1)
                      ((wide*)target)[size * split + i] = sum;
                  else
                      ((real*)target)[i] = (real)(bias ? sum + (wide)bias[i % all] : sum);
              });
}
