// Convolution with 3 x 3 kernels and steps of 1 in fewer multiplications (Winograd's F(2 x 2, 3 x 3)).
//
// Four outputs, a square of 2 x 2, see a square of 4 x 4 inputs. Both the inputs' squares and the kernels are turned,
// by additions alone, into 16 numbers whose plain products, summed over the channels, are turned back into the four
// outputs: 16 multiplications where 36 were (Lavin and Gray 2016, arXiv:1509.09308, section 4.1):
//
//   square of x   --turn-->  V[16][squares][channels]
//                                  times, for each of the 16: a matrix product, on the same register tiles
//   kernel        --turn-->  U[16][channels][filters]
//                                  =  M[squares][16][filters]   --turn back-->  2 x 2 outputs
//
// Each input takes part in sums of four, each kernel in sums of nine with weights up to 1/4, so the rounding error is
// a few times that of a plain sum. An infinite input makes NaN of the outputs whose squares it lies in.
#pragma once
#include "pictures.h"

namespace calor {
namespace {

constexpr int kSquares = 48;  // so many squares at a time that V and M stay in the second cache

CALOR_INLINE bool winograd_fits(const Convolution& c) {
  const auto plain = [](const Axis& axis) { return axis.taps == 3 && axis.stride == 1 && axis.dilation == 1; };
  return plain(c.rows) && plain(c.columns);
}

CALOR_INLINE bool winograd_pays(const Convolution& c) {
  return winograd_fits(c) && c.channels >= 2 * kLanes && c.filters >= kLanes;
}

// [block of filters][16][channel][filter in the block]
CALOR_INLINE void turn_kernel(const Call& call, const Convolution& c, const float* kernel, float* turned) {
  call.team.each(c.channels, [&](int channel, int) {
    for (int filter = 0; filter < rounded_up(c.filters, kBlock); filter += kLanes) {
      float* to = turned + ((size_t)(filter / kBlock) * 16 * c.channels + channel) * kBlock + filter % kBlock;
      const auto taps = [&](int row, int column) {
        const float* from = kernel + ((size_t)(row * 3 + column) * c.channels + channel) * c.filters + filter;
        return filter < c.filters ? load_some(from, least(kLanes, c.filters - filter)) : Vec{};
      };
      Vec half[4][3];
      for (int column = 0; column < 3; column++) {
        const Vec a = taps(0, column), b = taps(1, column), d = taps(2, column);
        half[0][column] = a;
        half[1][column] = 0.5f * (a + b + d);
        half[2][column] = 0.5f * (a - b + d);
        half[3][column] = d;
      }
      for (int row = 0; row < 4; row++) {
        const Vec a = half[row][0], b = half[row][1], d = half[row][2];
        const Vec whole[4] = {a, 0.5f * (a + b + d), 0.5f * (a - b + d), d};
        for (int column = 0; column < 4; column++)
          store(to + (size_t)(row * 4 + column) * c.channels * kBlock, whole[column]);
      }
    }
  });
}

template <class Load, class Store>
CALOR_INLINE void turn_square(Load&& from, Store&& to) {
  Vec half[4][4];
  CALOR_UNROLL for (int column = 0; column < 4; column++) {
    const Vec a = from(0, column), b = from(1, column), d = from(2, column), e = from(3, column);
    half[0][column] = a - d;
    half[1][column] = b + d;
    half[2][column] = d - b;
    half[3][column] = b - e;
  }
  CALOR_UNROLL for (int row = 0; row < 4; row++) {
    const Vec a = half[row][0], b = half[row][1], d = half[row][2], e = half[row][3];
    to(row * 4 + 0, a - d);
    to(row * 4 + 1, b + d);
    to(row * 4 + 2, d - b);
    to(row * 4 + 3, b - e);
  }
}

struct Square {
  Vec upper_left, upper_right, lower_left, lower_right;
};

CALOR_INLINE Square turn_back(const float* products) {
  Vec upper[4], lower[4];
  CALOR_UNROLL for (int column = 0; column < 4; column++) {
    const Vec a = load(products + column * kBlock), b = load(products + (4 + column) * kBlock);
    const Vec d = load(products + (8 + column) * kBlock), e = load(products + (12 + column) * kBlock);
    upper[column] = a + b + d;
    lower[column] = b - d - e;
  }
  return {upper[0] + upper[1] + upper[2], upper[1] - upper[2] - upper[3], lower[0] + lower[1] + lower[2],
          lower[1] - lower[2] - lower[3]};
}

// Memory of one worker for kSquares squares.
CALOR_INLINE size_t squares_size(const Convolution& c) {
  return (size_t)16 * kSquares * (c.channels + kBlock);
}

// Computes `down` times `across` squares of outputs, of which the first sees `x`, and hands each, for each vector of
// filters, to finish(square's row, column, first filter, outputs).
template <class F>
CALOR_INLINE void winograd(const Convolution& c, const View& x, int down, int across, const float* turned,
                           float* memory, F&& finish) {
  const Taps taps{1, 1, c.channels, 0, 0};
  const size_t plane = (size_t)kSquares * c.channels;
  float* products = memory + 16 * plane;
  const int all = down * across, evenly = parts(all, parts(all, kSquares));  // rather than a rest of one
  for (int first = 0; first < all; first += evenly) {
    const int count = least(evenly, all - first);
    for (int square = 0; square < count; square++) {
      const int row = (first + square) / across, column = (first + square) % across;
      const float* from = x.data + 2 * row * x.pitch + (ptrdiff_t)2 * column * c.channels;
      float* to = memory + (size_t)square * c.channels;
      int channel = 0;
      for (; channel + kLanes <= c.channels; channel += kLanes)
        turn_square([&](int i, int j) { return load(from + i * x.pitch + j * c.channels + channel); },
                    [&](int number, Vec v) { store(to + number * plane + channel, v); });
      if (const int some = c.channels - channel)
        turn_square([&](int i, int j) { return load_some(from + i * x.pitch + j * c.channels + channel, some); },
                    [&](int number, Vec v) { store_some(to + number * plane + channel, v, some); });
    }
    for (int filter = 0; filter < c.filters; filter += kBlock) {
      const int some = least(kBlock, rounded_up(c.filters - filter, kLanes));
      for (int number = 0; number < 16; number++)
        tiles_of_row(memory + number * plane, c.channels, taps,
                     turned + ((size_t)filter / kBlock * 16 + number) * c.channels * kBlock, count,
                     {products + number * kBlock, 16 * kBlock, some});
      for (int square = 0; square < count; square++)
        for (int z = 0; z < some; z += kLanes)
          finish((first + square) / across, (first + square) % across, filter + z,
                 turn_back(products + (size_t)square * 16 * kBlock + z));
    }
  }
}

bool winograd_convolution(const Call& call, const Convolution& c, const float* x, const float* kernel,
                          const float* bias, bool relu_after, float* y) {
  const int down = parts(c.rows.outputs, 2), across = parts(c.columns.outputs, 2);
  const Bands bands(call, c.batch, down);
  Padding padding(c, 2 * bands.rows, 2 * down, 2 * across);
  float* turned = call.scratch.floats((size_t)16 * c.channels * rounded_up(c.filters, kBlock));
  float* memory = call.scratch.floats(squares_size(c) * call.team.size);
  if (!turned || !memory || !padding.allocate(call)) return false;
  turn_kernel(call, c, kernel, turned);
  call.team.each(bands.count(), [&](int number, int worker) {
    const Bands::Band band = bands.at(number);
    const View seen = padding.rows(x + c.picture() * band.picture, 2 * band.first, 2 * band.rows, worker);
    float* to = y + c.output() * band.picture;
    winograd(c, seen, band.rows, across, turned, memory + squares_size(c) * worker,
             [&](int row, int column, int filter, const Square& square) {
               const int some = least(kLanes, c.filters - filter), line = 2 * (band.first + row), pixel = 2 * column;
               const Vec added = bias ? load_some(bias + filter, some) : Vec{};
               const auto put = [&](int i, int j, Vec v) {
                 if (line + i >= c.rows.outputs || pixel + j >= c.columns.outputs) return;
                 const size_t at = ((size_t)(line + i) * c.columns.outputs + pixel + j) * c.filters + filter;
                 store_some(to + at, relu_after ? relu(v + added) : v + added, some);
               };
               put(0, 0, square.upper_left);
               put(0, 1, square.upper_right);
               put(1, 0, square.lower_left);
               put(1, 1, square.lower_right);
             });
  });
  return true;
}

}  // namespace
}  // namespace calor
