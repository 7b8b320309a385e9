// How kernels see pictures and weights: padded, cut into tasks, and packed for the register tiles.
#pragma once
#include "tile.h"

namespace calor {
namespace {

// ---- Pictures with their padding ----

// Copies rows first..first+count of a picture, counted with the padding, with zeros for what lies outside.
CALOR_INLINE void pad_rows(const float* picture, int height, int width, int channels, int first, int count, int low,
                           int padded_width, float* to) {
  const size_t pitch = (size_t)padded_width * channels;
  const int seen = least(width, padded_width - low);
  for (int row = 0; row < count; row++, to += pitch) {
    const int from = first + row;
    if (from < 0 || from >= height) {
      std::memset(to, 0, pitch * sizeof(float));
      continue;
    }
    std::memset(to, 0, (size_t)low * channels * sizeof(float));
    std::memcpy(to + (size_t)low * channels, picture + (size_t)from * width * channels,
                (size_t)seen * channels * sizeof(float));
    std::memset(to + (size_t)(low + seen) * channels, 0, (pitch - (size_t)(low + seen) * channels) * sizeof(float));
  }
}

// A view of some rows of a picture, padding included: the picture itself where there is no padding.
struct View {
  const float* data;
  ptrdiff_t pitch;
};

// Shows the pictures of a batch to a convolution, through memory of each worker's own where they are padded.
struct Padding {
  const Convolution& c;
  const int width;
  const bool needed;
  const size_t size;  // of one worker's memory, in floats
  float* memory = nullptr;

  // For up to `rows` rows of outputs at a time. Kernels that work on outputs in pairs look at one row or column more
  // than there is, where the outputs are odd: `lines` and `columns` are then the even numbers.
  Padding(const Convolution& c, int rows, int lines, int columns)
      : c(c), width(most(c.columns.covered(columns), c.columns.low + 1)),
        needed(c.rows.low || c.columns.low || c.rows.covered(lines) > c.rows.size || width > c.columns.size),
        size(needed ? (size_t)c.rows.covered(rows) * width * c.channels + kLanes : 0) {}
  Padding(const Convolution& c, int rows) : Padding(c, rows, c.rows.outputs, c.columns.outputs) {}

  bool allocate(const Call& call) {
    if (needed) memory = call.scratch.floats(size * call.team.size);
    return !needed || memory;
  }

  // What the windows of output rows first..first+count see.
  View rows(const float* picture, int first, int count, int worker) const {
    if (!needed) {
      const ptrdiff_t pitch = (ptrdiff_t)c.columns.size * c.channels;
      return {picture + first * c.rows.stride * pitch, pitch};
    }
    float* to = memory + size * worker;
    pad_rows(picture, c.rows.size, c.columns.size, c.channels, first * c.rows.stride - c.rows.low,
             c.rows.covered(count), c.columns.low, width, to);
    return {to, (ptrdiff_t)width * c.channels};
  }
};

// ---- The batch cut into tasks: whole pictures, or bands of rows where there are few ----

struct Bands {
  int batch, outputs, rows;

  Bands(const Call& call, int batch, int outputs) : batch(batch), outputs(outputs) {
    const int wanted = parts(4 * call.team.size, batch);  // bands a picture
    rows = parts(outputs, least(outputs, call.team.size > 1 ? wanted : 1));
  }
  int each() const { return parts(outputs, rows); }
  int count() const { return batch * each(); }

  struct Band {
    int picture, first, rows;
  };
  Band at(int number) const {
    const int first = number % each() * rows;
    return {number / each(), first, least(rows, outputs - first)};
  }
};

// ---- Kernels as tiles read them: [block of filters][number][filter in the block], zeros to fill the last block ----

CALOR_INLINE size_t packed_size(int numbers, int filters) { return (size_t)numbers * rounded_up(filters, kBlock); }

CALOR_INLINE void pack(const Call& call, const float* kernel, int numbers, int filters, float* packed) {
  call.team.each(parts(filters, kBlock), [&](int block, int) {
    const int first = block * kBlock, some = least(kBlock, filters - first);
    float* to = packed + (size_t)numbers * first;
    for (int k = 0; k < numbers; k++, to += kBlock) {
      std::memcpy(to, kernel + (size_t)k * filters + first, some * sizeof(float));
      std::memset(to + some, 0, (kBlock - some) * sizeof(float));
    }
  });
}

}  // namespace
}  // namespace calor
