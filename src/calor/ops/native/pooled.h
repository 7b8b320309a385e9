// Convolution, its bias, ReLU and max-pooling in one.
//
// The rows of outputs that a row of windows sees are computed for one block of filters, and pooled while they are in
// the nearest cache; the convolution's own result is never written to memory.
#pragma once
#include "pooling.h"
#include "winograd.h"

namespace calor {
namespace {

// With 2 x 2 pooling a square of outputs is a window, and never leaves the registers.
CALOR_INLINE bool windows_are_squares(const Pooling& p) {
  const auto plain = [](const Axis& axis) { return axis.taps == 2 && !axis.low && axis.outputs * 2 <= axis.size; };
  return plain(p.rows) && plain(p.columns);
}

CALOR_INLINE bool winograd_pooled(const Call& call, const Convolution& c, const Pooling& p, const float* x,
                                  const float* kernel, const float* bias, float* y, uint8_t* place) {
  const Bands bands(call, c.batch, p.rows.outputs);
  Padding padding(c, 2 * bands.rows);
  float* turned = call.scratch.floats((size_t)16 * c.channels * rounded_up(c.filters, kBlock));
  float* memory = call.scratch.floats(squares_size(c) * call.team.size);
  if (!turned || !memory || !padding.allocate(call)) return false;
  turn_kernel(call, c, kernel, turned);
  call.team.each(bands.count(), [&](int number, int worker) {
    const auto [picture, first, rows] = bands.at(number);
    const View seen = padding.rows(x + c.picture() * picture, 2 * first, 2 * rows, worker);
    const size_t at = p.output() * picture + (size_t)first * p.columns.outputs * c.filters;
    winograd(c, seen, rows, p.columns.outputs, turned, memory + squares_size(c) * worker,
             [&](int row, int column, int filter, const Square& square) {
               const int some = least(kLanes, c.filters - filter);
               const Vec added = load_some(bias + filter, some);
               Greatest best{square.upper_left + added, spread(0)};
               best.meet(square.upper_right + added, 1);
               best.meet(square.lower_left + added, 2);
               best.meet(square.lower_right + added, 3);
               best.cut_off();
               const size_t to = at + ((size_t)row * p.columns.outputs + column) * c.filters + filter;
               best.put(y + to, place + to, some);
             });
  });
  return true;
}

bool pooled_convolution(const Call& call, const Convolution& c, const Pooling& p, const float* x, const float* kernel,
                        const float* bias, float* y, uint8_t* place) {
  if (winograd_pays(c) && windows_are_squares(p)) return winograd_pooled(call, c, p, x, kernel, bias, y, place);
  const Bands bands(call, c.batch, p.rows.outputs);
  Padding padding(c, least(c.rows.outputs, bands.rows * p.rows.taps));
  const size_t strip_size = (size_t)p.rows.taps * c.columns.outputs * kBlock;
  float* strips = call.scratch.floats(strip_size * call.team.size);
  float* packed = call.scratch.floats(packed_size(c.taps() * c.channels, c.filters));
  if (!packed || !strips || !padding.allocate(call)) return false;
  pack(call, kernel, c.taps() * c.channels, c.filters, packed);
  // Columns that no window reaches are not computed.
  const int pixels = span_of(p.columns, p.columns.outputs - 1).last;
  call.team.each(bands.count(), [&](int number, int worker) {
    const auto [picture, first, rows] = bands.at(number);
    const int begin = span_of(p.rows, first).first, end = span_of(p.rows, first + rows - 1).last;
    const View seen = padding.rows(x + c.picture() * picture, begin, end - begin, worker);
    const Taps taps = taps_of(c, seen.pitch);
    float* strip = strips + strip_size * worker;
    for (int filter = 0; filter < c.filters; filter += kBlock) {
      const int some = least(kBlock, c.filters - filter);
      for (int row = first; row < first + rows; row++) {
        const Span down = span_of(p.rows, row);
        for (int line = down.first; line < down.last; line++)
          tiles_of_row(seen.data + (line - begin) * c.rows.stride * seen.pitch,
                       (ptrdiff_t)c.columns.stride * c.channels, taps, packed + (size_t)taps.numbers() * filter,
                       pixels, {strip + (size_t)(line - down.first) * pixels * kBlock, kBlock,
                                rounded_up(some, kLanes)});
        const size_t at = p.output() * picture + (size_t)row * p.columns.outputs * c.filters + filter;
        for (int z = 0; z * kLanes < some; z++) {
          const int wide = least(kLanes, some - z * kLanes);
          const Vec added = load_some(bias + filter + z * kLanes, wide);
          for (int column = 0; column < p.columns.outputs; column++) {
            const Span across = span_of(p.columns, column);
            Greatest best = greatest(strip + (size_t)across.first * kBlock + z * kLanes, (ptrdiff_t)pixels * kBlock,
                                     kBlock, down.last - down.first, across.last - across.first,
                                     down.offset * p.columns.taps + across.offset, p.columns.taps, added);
            best.cut_off();
            const size_t to = at + (size_t)column * c.filters + z * kLanes;
            best.put(y + to, place + to, wide);
          }
        }
      }
    }
  });
  return true;
}

}  // namespace
}  // namespace calor
