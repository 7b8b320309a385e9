// The maximum of windows side by side, alone or right after a convolution, and its gradient.
//
// Beside each maximum a byte remembers where in its window it was found, row by row: the first one, and NaN counts as
// greater than any number. The gradient then need not look at the pictures again.
#pragma once
#include "kernels.h"
#include "simd.h"

namespace calor {
namespace {

// The part of a window that lies in the picture: elements first..last-1 along one axis, the window's own number of
// the first one being `offset`.
struct Span {
  int first, last, offset;
};

CALOR_INLINE Span span_of(const Axis& axis, int output) {
  const int begin = output * axis.stride - axis.low, first = most(begin, 0);
  return {first, least(begin + axis.taps, axis.size), first - begin};
}

struct Greatest {
  Vec value;
  Ints place;

  void meet(Vec other, int its_place) {
    // Not less or equal: greater, or one of them NaN; and the first NaN stays.
    const Ints better = ~(other <= value) & (value == value);
    value = better ? other : value;
    place = better ? spread(its_place) : place;
  }
  // ReLU: only what is above 0 stays, and NaN, which passes no gradient.
  void cut_off() {
    place = value > Vec{} ? place : spread((int)kNowhere);
    value = relu(value);
  }
  void put(float* to, uint8_t* places, int some) const {
    if (some >= kLanes) {
      store(to, value);
      store_bytes(places, place);
      return;
    }
    uint8_t bytes[kLanes];
    store_bytes(bytes, place);
    store_some(to, value, some);
    std::memcpy(places, bytes, some);
  }
};

// The maximum over elements of `from`, which lie row_step and step apart.
CALOR_INLINE Greatest greatest(const float* from, ptrdiff_t row_step, ptrdiff_t step, int rows, int columns,
                               int first_place, int places_per_row, Vec bias) {
  Greatest best{load(from) + bias, spread(first_place)};
  if (rows == 2 && columns == 2 && places_per_row == 2 && !first_place) {  // nearly always: no loops, no branches
    best.meet(load(from + step) + bias, 1);
    best.meet(load(from + row_step) + bias, 2);
    best.meet(load(from + row_step + step) + bias, 3);
    return best;
  }
  for (int row = 0; row < rows; row++)
    for (int column = row ? 0 : 1; column < columns; column++)
      best.meet(load(from + row * row_step + column * step) + bias, first_place + row * places_per_row + column);
  return best;
}

bool max_pooling(const Call& call, const Pooling& p, const float* x, float* y, uint8_t* place) {
  const ptrdiff_t pitch = (ptrdiff_t)p.columns.size * p.channels;
  call.team.each(p.batch * p.rows.outputs, [&](int number, int) {
    const int picture = number / p.rows.outputs, row = number % p.rows.outputs;
    const Span down = span_of(p.rows, row);
    size_t at = p.output() * picture + (size_t)row * p.columns.outputs * p.channels;
    for (int column = 0; column < p.columns.outputs; column++, at += p.channels) {
      const Span across = span_of(p.columns, column);
      const float* from = x + p.picture() * picture + down.first * pitch + (ptrdiff_t)across.first * p.channels;
      const int height = down.last - down.first, width = across.last - across.first;
      const int first_place = down.offset * p.columns.taps + across.offset;
      for (int channel = 0; channel < p.channels; channel += kLanes) {
        const int some = p.channels - channel;
        if (some >= kLanes) {
          greatest(from + channel, pitch, p.channels, height, width, first_place, p.columns.taps, Vec{})
              .put(y + at + channel, place + at + channel, some);
          continue;
        }
        float window[kMostPlaces * kLanes];
        for (int i = 0; i < height * width; i++)
          store(window + i * kLanes, load_some(from + channel + i / width * pitch + i % width * p.channels, some));
        greatest(window, (ptrdiff_t)width * kLanes, kLanes, height, width, first_place, p.columns.taps, Vec{})
            .put(y + at + channel, place + at + channel, some);
      }
    }
  });
  return true;
}

bool max_pooling_gradient(const Call& call, const Pooling& p, const float* dy, const uint8_t* place, float* dx) {
  const size_t pitch = (size_t)p.columns.size * p.channels;
  call.team.each(p.batch, [&](int picture, int) {
    float* to = dx + p.picture() * picture;
    int done = 0;  // rows
    for (int row = 0; row < p.rows.outputs; row++) {
      const Span down = span_of(p.rows, row);
      for (int i = down.first; i < down.last; i++) {
        float* line = to + i * pitch;
        int end = 0;  // columns
        for (int column = 0; column < p.columns.outputs; column++) {
          const Span across = span_of(p.columns, column);
          const size_t at = p.output() * picture + ((size_t)row * p.columns.outputs + column) * p.channels;
          for (int j = across.first; j < across.last; j++) {
            const int here = (i - down.first + down.offset) * p.columns.taps + j - across.first + across.offset;
            float* pixel = line + (size_t)j * p.channels;
            int channel = 0;
            for (; channel + kLanes <= p.channels; channel += kLanes)
              store(pixel + channel,
                    load_bytes(place + at + channel) == spread(here) ? load(dy + at + channel) : Vec{});
            for (; channel < p.channels; channel++)
              pixel[channel] = place[at + channel] == here ? dy[at + channel] : 0.0f;
          }
          end = across.last;
        }
        std::memset(line + (size_t)end * p.channels, 0, (pitch - (size_t)end * p.channels) * sizeof(float));
      }
      done = down.last;
    }
    std::memset(to + done * pitch, 0, (p.rows.size - done) * pitch * sizeof(float));
  });
  return true;
}

}  // namespace
}  // namespace calor
