// The gradients of a convolution's kernel and bias, dense: every output counts.
//
//   for each part of the batch                (fixed by the shapes alone, so that the sums are always the same)
//     for each picture, for each block of filters
//       for each strip of output rows         (so few that x and dy stay in the nearest cache)
//         for each stretch of the kernel, kPixels of its numbers at a time
//           sums[P][Z] in registers += x[pixel * step + k] * dy[pixel]     over the pixels of the strip
//   then the parts are added up, in order
#pragma once
#include "pictures.h"

namespace calor {
namespace {

// ---- Sums over the batch: each part has its own, [block of filters][number][filter in the block] ----

struct Partial {
  static constexpr size_t kMostFloats = 4 << 20;  // for all parts together
  static constexpr int kMostParts = 8;
  int batch, each, count;
  size_t size;
  float* memory = nullptr;

  Partial(int batch, size_t size) : batch(batch), size(size) {
    const int wanted = (int)least<size_t>(kMostParts, most<size_t>(1, kMostFloats / size));
    each = parts(batch, least(batch, wanted));
    count = parts(batch, each);
  }
  bool allocate(const Call& call) { return (memory = call.scratch.floats(size * count)); }
  float* part(int number) const { return memory + size * number; }
  int first(int number) const { return number * each; }
  int last(int number) const { return least(batch, (number + 1) * each); }
  float total(size_t at) const {
    float sum = memory[at];
    for (int number = 1; number < count; number++) sum += memory[size * number + at];
    return sum;
  }
  Vec totals(size_t at) const {
    Vec sum = load(memory + at);
    for (int number = 1; number < count; number++) sum += load(memory + size * number + at);
    return sum;
  }
};

template <int P, int Z>
void gradient_tile(const float* x, ptrdiff_t row_step, ptrdiff_t step, const float* dy, ptrdiff_t dy_row,
                   ptrdiff_t dy_step, int rows, int pixels, float* sums) {
  Vec total[P][Z];
  CALOR_UNROLL for (int p = 0; p < P; p++)
    CALOR_UNROLL for (int z = 0; z < Z; z++) total[p][z] = load(sums + p * kBlock + z * kLanes);
  for (int row = 0; row < rows; row++, x += row_step, dy += dy_row) {
    const float *seen = x, *arriving = dy;
    for (int pixel = 0; pixel < pixels; pixel++, seen += step, arriving += dy_step) {
      Vec factor[Z];
      CALOR_UNROLL for (int z = 0; z < Z; z++) factor[z] = load(arriving + z * kLanes);
      CALOR_UNROLL for (int p = 0; p < P; p++) {
        const Vec number = spread(seen[p]);
        CALOR_UNROLL for (int z = 0; z < Z; z++) total[p][z] += number * factor[z];
      }
    }
  }
  CALOR_UNROLL for (int p = 0; p < P; p++)
    CALOR_UNROLL for (int z = 0; z < Z; z++) store(sums + p * kBlock + z * kLanes, total[p][z]);
}

using GradientTile = void (*)(const float*, ptrdiff_t, ptrdiff_t, const float*, ptrdiff_t, ptrdiff_t, int, int, float*);

template <int Z>
GradientTile gradient_tile_of(int numbers) {
  static constexpr GradientTile tiles[kPixels] = {gradient_tile<1, Z>, gradient_tile<2, Z>, gradient_tile<3, Z>,
                                                  gradient_tile<4, Z>, gradient_tile<5, Z>, gradient_tile<6, Z>};
  return tiles[numbers - 1];
}

CALOR_INLINE GradientTile gradient_tile_of(int numbers, int vectors) {
  if constexpr (kVectors > 2) {
    if (vectors == 4) return gradient_tile_of<4>(numbers);
    if (vectors == 3) return gradient_tile_of<3>(numbers);
  }
  return vectors == 2 ? gradient_tile_of<2>(numbers) : gradient_tile_of<1>(numbers);
}

bool kernel_gradient(const Call& call, const Convolution& c, const float* x, const float* dy, float* dkernel,
                     float* dbias) {
  constexpr int kStrip = 64;  // about so many pixels are worked through with a tile's sums in registers
  const int strip = least(c.rows.outputs, most(1, kStrip / c.columns.outputs));
  const int numbers = c.taps() * c.channels, blocks = parts(c.filters, kBlock);
  const size_t block_size = (size_t)(numbers + 1) * kBlock;  // the bias' sums follow the kernel's
  Partial partial(c.batch, block_size * blocks);
  Padding padding(c, strip);
  // Filters that do not fill their last vector are copied where the tile may read whole vectors.
  const bool ragged = c.filters % kLanes;
  const size_t copy_size = ragged ? (size_t)strip * c.columns.outputs * kBlock : 0;
  float* copies = ragged ? call.scratch.floats(copy_size * call.team.size) : nullptr;
  if (!partial.allocate(call) || !padding.allocate(call) || (ragged && !copies)) return false;

  const int groups = least(blocks, parts(Partial::kMostParts, partial.count));
  call.team.each(partial.count * groups, [&](int number, int worker) {
    const int part = number / groups, group = number % groups;
    const int first_block = blocks * group / groups, last_block = blocks * (group + 1) / groups;
    float* own = partial.part(part);
    std::memset(own + block_size * first_block, 0, block_size * (last_block - first_block) * sizeof(float));
    for (int picture = partial.first(part); picture < partial.last(part); picture++) {
      for (int block = first_block; block < last_block; block++) {
        const int some = least(kBlock, c.filters - block * kBlock), vectors = parts(some, kLanes);
        float* sums = own + block_size * block;
        for (int first = 0; first < c.rows.outputs; first += strip) {
          const int rows = least(strip, c.rows.outputs - first), pixels = rows * c.columns.outputs;
          const View seen = padding.rows(x + c.picture() * picture, first, rows, worker);
          const Taps taps = taps_of(c, seen.pitch);
          const float* arriving = dy + c.output() * picture + (size_t)first * c.columns.outputs * c.filters +
                                  block * kBlock;
          ptrdiff_t arriving_step = c.filters;
          if (some % kLanes) {
            float* copy = copies + copy_size * worker;
            for (int pixel = 0; pixel < pixels; pixel++) {
              std::memcpy(copy + (size_t)pixel * kBlock, arriving + pixel * arriving_step, some * sizeof(float));
              std::memset(copy + (size_t)pixel * kBlock + some, 0, (kBlock - some) * sizeof(float));
            }
            arriving = copy, arriving_step = kBlock;
          }
          for (int run = 0; run < taps.rows * taps.runs; run++) {
            const float* from = seen.data + run / taps.runs * taps.row_step + run % taps.runs * taps.run_step;
            for (int k = 0; k < taps.length; k += kPixels) {
              const int width = least(kPixels, taps.length - k);
              gradient_tile_of(width, vectors)(from + k, c.rows.stride * seen.pitch,
                                               (ptrdiff_t)c.columns.stride * c.channels, arriving,
                                               c.columns.outputs * arriving_step, arriving_step, rows,
                                               c.columns.outputs, sums + ((size_t)run * taps.length + k) * kBlock);
            }
          }
          float* of_bias = sums + (size_t)numbers * kBlock;
          for (int z = 0; z < vectors; z++) {
            Vec total = load(of_bias + z * kLanes);
            for (int pixel = 0; pixel < pixels; pixel++) total += load(arriving + pixel * arriving_step + z * kLanes);
            store(of_bias + z * kLanes, total);
          }
        }
      }
    }
  });

  call.team.each(blocks, [&](int block, int) {
    const int some = least(kBlock, c.filters - block * kBlock);
    const size_t at = block_size * block;
    for (int k = 0; k <= numbers; k++) {
      float* to = (k < numbers ? dkernel + (size_t)k * c.filters : dbias) + block * kBlock;
      for (int z = 0; z * kLanes < some; z++)
        store_some(to + z * kLanes, partial.totals(at + (size_t)k * kBlock + z * kLanes),
                   least(kLanes, some - z * kLanes));
    }
  });
  return true;
}

}  // namespace
}  // namespace calor
