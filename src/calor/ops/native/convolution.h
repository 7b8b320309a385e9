// Convolution over pictures and its two gradients, dense: every output counts.
//
//   convolution        y[o] = bias + sum of x[o * stride + tap] * kernel[tap]      tiles of pixels x filters
//   inputs' gradient   the same loop over dy, with the kernel flipped and turned   tiles of pixels x channels
//   kernel's gradient  dkernel[tap] = sum over pixels of x[o * stride + tap] * dy[o]   tiles of taps x filters
#pragma once
#include "winograd.h"

namespace calor {
namespace {

// ---- Forward ----

bool convolution(const Call& call, const Convolution& c, const float* x, const float* kernel, const float* bias,
                 bool relu, float* y) {
  if (winograd_pays(c)) return winograd_convolution(call, c, x, kernel, bias, relu, y);
  const Bands bands(call, c.batch, c.rows.outputs);
  Padding padding(c, bands.rows);
  float* packed = call.scratch.floats(packed_size(c.taps() * c.channels, c.filters));
  if (!packed || !padding.allocate(call)) return false;
  pack(call, kernel, c.taps() * c.channels, c.filters, packed);
  call.team.each(bands.count(), [&](int number, int worker) {
    const auto [picture, first, rows] = bands.at(number);
    const View seen = padding.rows(x + c.picture() * picture, first, rows, worker);
    const Taps taps = taps_of(c, seen.pitch);
    for (int filter = 0; filter < c.filters; filter += kBlock) {
      for (int row = 0; row < rows; row++) {
        float* to = y + c.output() * picture + (size_t)(first + row) * c.columns.outputs * c.filters + filter;
        tiles_of_row(seen.data + row * c.rows.stride * seen.pitch, (ptrdiff_t)c.columns.stride * c.channels, taps,
                     packed + (size_t)taps.numbers() * filter, c.columns.outputs,
                     {to, c.filters, least(kBlock, c.filters - filter), bias ? bias + filter : nullptr, relu});
      }
    }
  });
  return true;
}

// ---- The inputs' gradient ----
//
// Pixel i of the inputs was seen by output o through tap t where i + low = o * stride + t * dilation. For pixels that
// are a stride apart (a phase) these are the same taps, every (stride / g)-th, and outputs (dilation / g) apart, g
// being the greatest common divisor of stride and dilation. So each phase is a convolution of dy with some of the
// taps, flipped; without strides there is one phase.

struct Phase {
  int first, count;    // the pixels first, first + stride, ... of the inputs
  int taps, tap_step;  // the taps last_tap, last_tap - tap_step, ..., so that the outputs they meet ascend
  int last_tap;
  int output, output_step;  // which output (perhaps outside) the last tap of the first pixel meets; then its next tap
};

inline int common_divisor(int a, int b) { return b ? common_divisor(b, a % b) : a; }

CALOR_INLINE Phase phase_of(const Axis& axis, int number) {
  const int divisor = common_divisor(axis.stride, axis.dilation), step = axis.stride / divisor;
  Phase phase{number, parts(axis.size - number, axis.stride), 0, step, 0, 0, axis.dilation / divisor};
  for (int tap = 0; tap < axis.taps; tap++) {
    const int distance = number + axis.low - tap * axis.dilation;
    if (distance % axis.stride) continue;
    phase.taps++;
    phase.last_tap = tap;
    phase.output = distance / axis.stride;
  }
  return phase;
}

// How far outside dy the phases of an axis reach, before its first and after its last output.
struct Margin {
  int before = 0, after = 0;
  explicit Margin(const Axis& axis) {
    for (int number = 0; number < least(axis.stride, axis.size); number++) {
      const Phase phase = phase_of(axis, number);
      if (!phase.taps) continue;
      before = most(before, -phase.output);
      const int last = phase.output + phase.count - 1 + (phase.taps - 1) * phase.output_step;
      after = most(after, last - axis.outputs + 1);
    }
  }
};

// Without strides and dilation it is a convolution of dy, whose kernel is turned around and has channels and filters
// exchanged.
CALOR_INLINE Convolution mirrored(const Convolution& c) {
  const auto axis = [](const Axis& a) { return Axis{a.outputs, a.taps, 1, 1, a.reach() - 1 - a.low, a.size}; };
  return {c.batch, c.filters, c.channels, axis(c.rows), axis(c.columns)};
}

CALOR_INLINE void mirror_kernel(const Call& call, const Convolution& c, const float* kernel, float* to) {
  call.team.each(c.taps(), [&](int tap, int) {
    const float* from = kernel + (size_t)(c.taps() - 1 - tap) * c.channels * c.filters;
    float* own = to + (size_t)tap * c.channels * c.filters;
    for (int filter = 0; filter < c.filters; filter++)
      for (int channel = 0; channel < c.channels; channel++)
        own[(size_t)filter * c.channels + channel] = from[(size_t)channel * c.filters + filter];
  });
}

bool inputs_gradient(const Call& call, const Convolution& c, const float* dy, const float* kernel, float* dx) {
  if (const Convolution other = mirrored(c); winograd_fits(c) && winograd_pays(other)) {
    float* turned = call.scratch.floats((size_t)c.taps() * c.channels * c.filters);
    if (!turned) return false;
    mirror_kernel(call, c, kernel, turned);
    return winograd_convolution(call, other, dy, turned, nullptr, false, dx);
  }
  const Margin rows(c.rows), columns(c.columns);
  const int width = columns.before + c.columns.outputs + columns.after;
  const int height = rows.before + c.rows.outputs + rows.after;
  const bool padded = rows.before || rows.after || columns.before || columns.after;
  const size_t size = padded ? (size_t)width * height * c.filters + kLanes : 0;
  float* memory = padded ? call.scratch.floats(size * call.team.size) : nullptr;
  float* packed = call.scratch.floats(packed_size(c.taps() * c.filters, c.channels));
  if (!packed || (padded && !memory)) return false;

  // One after the other, function(phase down, phase across, where its part of the turned kernel begins).
  const auto each_phase = [&](auto&& function) {
    float* part = packed;
    for (int d = 0; d < least(c.rows.stride, c.rows.size); d++) {
      const Phase down = phase_of(c.rows, d);
      for (int a = 0; a < least(c.columns.stride, c.columns.size); a++) {
        const Phase across = phase_of(c.columns, a);
        function(down, across, part);
        part += packed_size(down.taps * across.taps * c.filters, c.channels);
      }
    }
  };
  // The kernel turned for each phase: [block of channels][tap down][tap across][filter][channel in the block].
  call.team.each(parts(c.channels, kBlock), [&](int block, int) {
    const int first = block * kBlock, some = least(kBlock, c.channels - first);
    each_phase([&](const Phase& down, const Phase& across, float* part) {
      float* to = part + (size_t)down.taps * across.taps * c.filters * first;
      for (int i = 0; i < down.taps * across.taps; i++) {
        const int row = down.last_tap - i / across.taps * down.tap_step;
        const int column = across.last_tap - i % across.taps * across.tap_step;
        const float* from = kernel + ((size_t)(row * c.columns.taps + column) * c.channels + first) * c.filters;
        for (int filter = 0; filter < c.filters; filter++, to += kBlock)
          for (int k = 0; k < kBlock; k++) to[k] = k < some ? from[(size_t)k * c.filters + filter] : 0.0f;
      }
    });
  });

  const ptrdiff_t pitch = (ptrdiff_t)width * c.filters;
  call.team.each(c.batch, [&](int picture, int worker) {
    const float* seen = dy + c.output() * picture;
    if (padded) {
      float* to = memory + size * worker;
      pad_rows(seen, c.rows.outputs, c.columns.outputs, c.filters, -rows.before, height, columns.before, width, to);
      seen = to;
    }
    each_phase([&](const Phase& down, const Phase& across, const float* w) {
      const bool dense = across.output_step == 1;
      const Taps taps{down.taps, dense ? 1 : across.taps, dense ? across.taps * c.filters : c.filters,
                      down.output_step * pitch, (ptrdiff_t)across.output_step * c.filters};
      const int line = taps.numbers() ? down.output + rows.before : 0;
      const int column = taps.numbers() ? across.output + columns.before : 0;
      const float* first = seen + line * pitch + (ptrdiff_t)column * c.filters;
      for (int block = 0; block < c.channels; block += kBlock) {
        for (int row = 0; row < down.count; row++) {
          const int i = down.first + row * c.rows.stride;
          float* to = dx + c.picture() * picture + ((size_t)i * c.columns.size + across.first) * c.channels + block;
          tiles_of_row(taps.numbers() ? first + row * pitch : first, c.filters, taps,
                       w + (size_t)taps.numbers() * block, across.count,
                       {to, (ptrdiff_t)c.columns.stride * c.channels, least(kBlock, c.channels - block)});
        }
      }
    });
  });
  return true;
}

}  // namespace
}  // namespace calor
