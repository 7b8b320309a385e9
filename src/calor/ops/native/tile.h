// The register tile: the innermost loop of every dense convolution.
//
// A convolution is a matrix product whose left matrix is never written down. Row p of it holds what the kernel sees
// at output pixel p: for each row of the kernel a stretch of numbers that lie side by side in the picture, because
// the channels of neighbouring pixels do. So the tile reads the picture itself:
//
//            Z vectors of filters
//          w +-----------------+     for each row of the kernel
//            | k-th number ... |       for each stretch in it (one, unless the kernel is dilated)
//            +-----------------+         for each number k in the stretch
//        x     sums[P][Z]                  load Z vectors of w
//   P  +---+  +-----------------+          for each of the P pixels
//   pi |x_k|  | in registers    |            sums[p] += x[p * step + k] * w
//   xe +---+  +-----------------+
//
// P * Z multiply-adds for P + Z loads, and enough independent sums to keep the multipliers busy.
#pragma once
#include "kernels.h"
#include "simd.h"

namespace calor {
namespace {

// Z vectors by P pixels leave room in the registers for the Z vectors of w and one number of x.
constexpr int kVectors = kRegisters == 32 ? 4 : 2;
constexpr int kPixels = 6;
constexpr int kBlock = kVectors * kLanes;  // how many filters a tile has

// Where the numbers lie that one output pixel sees, from the first one: `rows` times `runs` stretches.
struct Taps {
  int rows, runs, length;
  ptrdiff_t row_step, run_step;

  int numbers() const { return rows * runs * length; }
};

// What a kernel of `axis` sees in pictures whose rows are `pitch` floats apart.
CALOR_INLINE Taps taps_of(const Convolution& c, ptrdiff_t pitch) {
  const bool dense = c.columns.dilation == 1;
  return {c.rows.taps, dense ? 1 : c.columns.taps, dense ? c.columns.taps * c.channels : c.channels,
          c.rows.dilation * pitch, (ptrdiff_t)c.columns.dilation * c.channels};
}

// What becomes of the sums: the bias is added, negative ones cut off, and `filters` of them written for each pixel.
struct Finish {
  float* to;
  ptrdiff_t step;
  int filters;
  const float* bias = nullptr;
  bool relu = false;
};

template <int P, int Z>
void tile(const float* x, ptrdiff_t step, const Taps& taps, const float* w, const Finish& finish) {
  Vec sums[P][Z]{};
  for (int row = 0; row < taps.rows; row++) {
    for (int run = 0; run < taps.runs; run++) {
      const float* seen = x + row * taps.row_step + run * taps.run_step;
      for (int k = 0; k < taps.length; k++) {
        Vec factor[Z];
        CALOR_UNROLL for (int z = 0; z < Z; z++) factor[z] = load(w + z * kLanes);
        w += kBlock;
        CALOR_UNROLL for (int p = 0; p < P; p++) {
          const Vec number = spread(seen[p * step + k]);
          CALOR_UNROLL for (int z = 0; z < Z; z++) sums[p][z] += number * factor[z];
        }
      }
    }
  }
  CALOR_UNROLL for (int z = 0; z < Z; z++) {
    const int some = least(kLanes, finish.filters - z * kLanes);
    const Vec bias = finish.bias ? load_some(finish.bias + z * kLanes, some) : Vec{};
    CALOR_UNROLL for (int p = 0; p < P; p++) {
      const Vec sum = sums[p][z] + bias;
      float* to = finish.to + p * finish.step + z * kLanes;
      const Vec result = finish.relu ? relu(sum) : sum;
      if (some == kLanes)
        store(to, result);
      else
        store_some(to, result, some);
    }
  }
}

using Tile = void (*)(const float*, ptrdiff_t, const Taps&, const float*, const Finish&);

template <int Z>
Tile tile_of(int pixels) {
  static constexpr Tile tiles[kPixels] = {tile<1, Z>, tile<2, Z>, tile<3, Z>, tile<4, Z>, tile<5, Z>, tile<6, Z>};
  return tiles[pixels - 1];
}

// A row of outputs for one block of filters, cut into tiles of at most kPixels that differ by one at most.
CALOR_INLINE void tiles_of_row(const float* x, ptrdiff_t step, const Taps& taps, const float* w, int pixels,
                               Finish finish) {
  const int count = parts(pixels, kPixels), size = pixels / count, larger = pixels % count;
  const int vectors = parts(finish.filters, kLanes);
  auto pick = tile_of<1>;
  if (vectors == 2) pick = tile_of<2>;
  if constexpr (kVectors > 2) {
    if (vectors == 3) pick = tile_of<3>;
    if (vectors == 4) pick = tile_of<4>;
  }
  const Tile large = pick(least(size + 1, kPixels)), small = pick(size);
  for (int i = 0; i < count; i++) {
    const int width = size + (i < larger);
    (i < larger ? large : small)(x, step, taps, w, finish);
    x += width * step;
    finish.to += width * finish.step;
  }
}

}  // namespace
}  // namespace calor
