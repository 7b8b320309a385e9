// Pictures moved by affine maps: each number of the output is read from the input at a position of its own.
//
// A row of outputs is computed in two passes over arrays that stay in the nearest cache.
//
// - Positions, kLanes pixels at a time: column and row in the input, brought into the picture as the fill mode says, and
//   split into a whole number and a fraction along each axis. What goes on: where the first of the pixels around lies,
//   and the two fractions, 12 bytes a pixel.
// - Pixels, one at a time: the two pixels side by side lie side by side in memory, so one load brings both with all
//   their channels, and another those of the row below. That is all that has to be gathered: two loads a pixel, where
//   gathering single numbers would take twelve for three channels. The mean of the two rows is taken for both pixels at
//   once, then that of left and right:
//
//     from memory   r g b r g b . .      8 bytes, widened to 8 floats: 4 operations for both rows
//     two rows      r g b r g b . .      difference, multiply-add
//     two columns   r g b .              the right pixel's channels moved to the front; difference, multiply-add
//     scaled        r g b .              one multiply-add, and one store of 4 floats, 3 apart
//
//   About 20 operations with AVX2, 9 registers, and one of three channels takes 3 ns, nearly half of it for the
//   position and the store (which is what "nearest" takes, with nothing to be mixed). Up to 4 channels fit; more are
//   taken 8 at a time by four loads.
//
// No load is checked, so every position must be one of the picture's. Positions are cut off to the picture before they
// become whole numbers, by comparisons that NaN fails, and the first of two pixels is never the last of its row: there
// the fraction is 1 instead. A load of 8 numbers may end behind the picture, where the next one begins. The last
// picture of the batch, for which nothing begins there, is copied to memory with room behind it; so are pictures that
// need an edge: zeros around them to fade into a fill value, or the first row and column again behind the last.
#pragma once
#include "pictures.h"

namespace calor {
namespace {

constexpr int kWide = 8, kNarrow = 4;
using Wide = float __attribute__((vector_size(kWide * 4)));
using WideInts = int32_t __attribute__((vector_size(kWide * 4)));
using WideBytes = uint8_t __attribute__((vector_size(kWide)));
using Narrow = float __attribute__((vector_size(kNarrow * 4)));

CALOR_INLINE void load_wide(const float* from, Wide& to) { std::memcpy(&to, from, sizeof to); }
CALOR_INLINE void load_wide(const uint8_t* from, Wide& to) {
#if defined(__AVX2__)  // GCC 12 converts them one by one
  const WideInts ints = (WideInts)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)from));
#else
  WideBytes bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  const WideInts ints = __builtin_convertvector(bytes, WideInts);
#endif
  to = __builtin_convertvector(ints, Wide);
}

// The four elements from `First` on.
template <int First>
CALOR_INLINE Narrow four(const Wide& v) {
#if CALOR_SHUFFLES
  return __builtin_shufflevector(v, v, First, First + 1, First + 2, (First + 3) % kWide);
#else
  return Narrow{v[First], v[First + 1], v[First + 2], v[(First + 3) % kWide]};
#endif
}

// Moves a towards b: to stay at 0, to reach it at 1. The difference of two bytes is exact; that of two floats is not,
// and with it b would be missed at 1. (Results by reference: plain code has no way to return such a vector.)
template <class T, class V>
CALOR_INLINE void move(V& a, const V& b, float fraction) {
  if constexpr (sizeof(T) == 1) a += fraction * (b - a);
  else a = (1 - fraction) * a + fraction * b;
}

// ---- Positions ----

// One axis of the picture that is read: the input's own, or one with an edge.
struct Line {
  int size;       // of the input
  int low;        // pixels of the edge before it
  int pixels;     // with the edge
  int last_pair;  // the last pixel that has one after it
  float end;      // the last position
  float period, periods;  // after how many pixels a picture that goes on repeats itself, and one divided by it

  Line(int size, Fill fill)
      : size(size), low(fill == Fill::kConstant), pixels(size), end(size - 1), period(size) {
    if (low) pixels = size + 2, end = size + 1;
    if (fill == Fill::kWrap) pixels = size + 1, end = size;
    if (fill == Fill::kReflect) period = 2.0f * size;
    periods = 1 / period;
    pixels = most(pixels, 2);
    last_pair = pixels - 2;
  }
};

CALOR_INLINE Vec rounded_down(Vec v) {
  constexpr float kMost = 1 << 30;  // there is nothing to round above that, and ints end soon
  v = v > -kMost ? v : spread(-kMost);
  v = v < kMost ? v : spread(kMost);
  const Vec whole = __builtin_convertvector(__builtin_convertvector(v, Ints), Vec);
  return whole > v ? whole - 1.0f : whole;
}

struct Found {
  Ints first;
  Vec fraction, inside;
};

// Brings positions to the picture that is read. Only a fill value needs to know how much of it is outside.
template <Fill fill, bool bilinear>
CALOR_INLINE Found found(const Line& line, Vec position) {
  if constexpr (fill == Fill::kReflect) {
    const Vec from_edge = position + 0.5f, rest = from_edge - line.period * rounded_down(from_edge * line.periods);
    const Vec back = line.period - rest;
    position = (rest < back ? rest : back) - 0.5f;
  }
  if constexpr (fill == Fill::kWrap) position -= line.period * rounded_down(position * line.periods);
  if constexpr (fill == Fill::kConstant) position += 1.0f;
  Vec at = position > Vec{} ? position : Vec{};
  at = at < line.end ? at : spread(line.end);
  Found t{};
  t.first = __builtin_convertvector(bilinear ? at : at + 0.5f, Ints);
  if constexpr (bilinear) {
    t.first = t.first < line.last_pair ? t.first : spread(line.last_pair);
    t.fraction = at - __builtin_convertvector(t.first, Vec);
    // What comes of a position that is no number is none either; beyond the edges it is the fill value.
    if constexpr (fill != Fill::kConstant) t.fraction = position == position ? t.fraction : position;
  }
  if constexpr (fill == Fill::kConstant) {
    const Vec left = line.end - at, nearer = at < left ? at : left;
    t.inside = nearer < 1.0f ? nearer : spread(1.0f);
    if constexpr (!bilinear) {
      const Ints in = (t.first > 0) & (t.first <= line.size);
      t.inside = in ? spread(1.0f) : Vec{};
    }
  }
  return t;
}

// A row of positions: for each pixel the place of the first number to be read, how far it is from there to the right
// and down, and how much of the fill value there is.
struct Positions {
  int* place;
  float *across, *down, *filled;
};

// `matrix` is that of the picture, with positions counted from its middle.
template <Fill fill, bool bilinear>
CALOR_INLINE void find(const Warp& w, const Line rows, const Line columns, const float* matrix, int row,
                       const Positions to) {
  const double middle_x = (w.width - 1) / 2.0, middle_y = (w.height - 1) / 2.0, y = row - middle_y;
  const float first_x = float(matrix[1] * y + matrix[2] + middle_x), first_y = float(matrix[4] * y + matrix[5] + middle_y);
  const int width = w.width, channels = w.channels, pitch = columns.pixels * channels;
  const float right = matrix[0], below = matrix[3];
  for (int x = 0; x < width; x += kLanes) {
    const Vec from_middle = __builtin_convertvector(ramp() + x, Vec) - float(middle_x);
    const Found across = found<fill, bilinear>(columns, first_x + right * from_middle);
    const Found down = found<fill, bilinear>(rows, first_y + below * from_middle);
    const Ints place = down.first * pitch + across.first * channels;
    std::memcpy(to.place + x, &place, sizeof place);
    store(to.across + x, across.fraction);
    store(to.down + x, down.fraction);
    if constexpr (fill == Fill::kConstant) store(to.filled + x, 1.0f - across.inside * down.inside);
  }
}

// ---- Pixels ----

// Pictures of up to 4 channels.
template <class T, int C, bool constant, bool bilinear>
CALOR_INLINE void pixels(const Warp& w, const T* picture, ptrdiff_t pitch, const Positions at, const float* levels,
                         float* to) {
  Narrow scale{}, offset{}, filling{};
  for (int c = 0; c < C; c++) scale[c] = levels[c], offset[c] = levels[C + c], filling[c] = levels[2 * C + c];
  const auto pixel = [&](int x) {
    const T* from = picture + at.place[x];
    Wide pair;
    load_wide(from, pair);
    if constexpr (bilinear) {
      Wide below;
      load_wide(from + pitch, below);
      move<T>(pair, below, at.down[x]);
    }
    Narrow value = four<0>(pair);
    if constexpr (bilinear) move<T>(value, four<C>(pair), at.across[x]);
    if constexpr (constant) value += at.filled[x] * filling;
    return value * scale + offset;
  };
  // One store is faster than two for three channels: the fourth number is overwritten by the next pixel.
  constexpr int kStored = C == 3 ? 4 : C;
  const int last = w.width - 1;
  for (int x = 0; x < last; x++, to += C) {
    const Narrow value = pixel(x);
    std::memcpy(to, &value, kStored * sizeof(float));
  }
  const Narrow value = pixel(last);
  std::memcpy(to, &value, C * sizeof(float));
}

// Pictures of any number of channels; `levels` are three rows of `room` numbers.
template <class T, bool constant, bool bilinear>
CALOR_INLINE void many_channels(const Warp& w, const T* picture, ptrdiff_t pitch, const Positions at,
                                const float* levels, int room, float* to) {
  for (int x = 0; x < w.width; x++, to += w.channels) {
    for (int c = 0; c < w.channels; c += kWide) {
      const T* from = picture + at.place[x] + c;
      Wide value, scale, offset;
      load_wide(from, value);
      if constexpr (bilinear) {
        Wide right, below, across;
        load_wide(from + w.channels, right);
        load_wide(from + pitch, below);
        load_wide(from + pitch + w.channels, across);
        move<T>(value, below, at.down[x]);
        move<T>(right, across, at.down[x]);
        move<T>(value, right, at.across[x]);
      }
      if constexpr (constant) {
        Wide filling;
        load_wide(levels + 2 * room + c, filling);
        value += at.filled[x] * filling;
      }
      load_wide(levels + c, scale);
      load_wide(levels + room + c, offset);
      value = value * scale + offset;
      std::memcpy(to + c, &value, least(kWide, w.channels - c) * sizeof(float));
    }
  }
}

// ---- Pictures with an edge ----

// Zeros around the picture for a fill value; otherwise the first row and column again, where there is one more.
template <class T>
CALOR_INLINE void copy_with_edge(const Warp& w, const T* picture, const Line& rows, const Line& columns, T* to) {
  const size_t pixel = w.channels, line = (size_t)w.width * pixel;
  for (int row = 0; row < rows.pixels; row++, to += columns.pixels * pixel) {
    const int from = row - rows.low;
    if (rows.low && (from < 0 || from >= w.height)) {
      std::memset(to, 0, columns.pixels * pixel * sizeof(T));
      continue;
    }
    const T* source = picture + (from % w.height) * line;
    T* own = to + columns.low * pixel;
    std::memcpy(own, source, line * sizeof(T));
    if (columns.low) {
      std::memset(to, 0, pixel * sizeof(T));
      std::memset(own + line, 0, pixel * sizeof(T));
    } else if (columns.pixels > w.width) {
      std::memcpy(own + line, source, pixel * sizeof(T));
    }
  }
}

// ---- The whole ----

template <class T, Fill fill, bool bilinear>
bool warp_as(const Call& call, const Warp& w, const T* x, const float* matrices, const float* levels, float* y) {
  constexpr bool kFilled = fill == Fill::kConstant;
  const Line rows(w.height, fill), columns(w.width, fill);
  const bool edge = rows.pixels != w.height || columns.pixels != w.width;
  const size_t read = (size_t)rows.pixels * columns.pixels * w.channels;  // numbers of a picture, edge included
  const size_t line = rounded_up(w.width, kLanes), room = rounded_up(w.channels, kWide);
  const size_t copied = (read + kWide) * sizeof(T) / sizeof(float) + 1;
  const size_t share = 4 * line + copied;
  float* memory = call.scratch.floats(share * call.team.size + 3 * room);
  if (!memory) return false;
  float* padded = memory + share * call.team.size;
  std::memset(padded, 0, 3 * room * sizeof(float));
  for (int i = 0; i < 3; i++) std::memcpy(padded + i * room, levels + i * w.channels, w.channels * sizeof(float));
  const T* end = x + w.picture() * w.batch;

  const Bands bands(call, w.batch, w.height);
  call.team.each(bands.count(), [&](int number, int worker) {
    const auto band = bands.at(number);
    float* own = memory + share * worker;
    const Positions at{reinterpret_cast<int*>(own), own + line, own + 2 * line, own + 3 * line};
    const T* picture = x + w.picture() * band.picture;
    if (edge || (size_t)(end - picture) < read + kWide) {
      T* copy = reinterpret_cast<T*>(own + 4 * line);
      copy_with_edge(w, picture, rows, columns, copy);
      std::memset(copy + read, 0, kWide * sizeof(T));
      picture = copy;
    }
    const ptrdiff_t pitch = (ptrdiff_t)columns.pixels * w.channels;
    for (int row = band.first; row < band.first + band.rows; row++) {
      find<fill, bilinear>(w, rows, columns, matrices + 9 * (size_t)band.picture, row, at);
      float* to = y + w.picture() * band.picture + (size_t)row * w.width * w.channels;
      switch (w.channels) {
        case 1: pixels<T, 1, kFilled, bilinear>(w, picture, pitch, at, levels, to); break;
        case 2: pixels<T, 2, kFilled, bilinear>(w, picture, pitch, at, levels, to); break;
        case 3: pixels<T, 3, kFilled, bilinear>(w, picture, pitch, at, levels, to); break;
        case 4: pixels<T, 4, kFilled, bilinear>(w, picture, pitch, at, levels, to); break;
        default: many_channels<T, kFilled, bilinear>(w, picture, pitch, at, padded, int(room), to);
      }
    }
  });
  return true;
}

template <class T>
bool warp_of(const Call& call, const Warp& w, const T* x, const float* matrices, const float* levels, float* y) {
  const auto by = [&](auto bilinear) {
    switch (w.fill) {
      case Fill::kConstant: return warp_as<T, Fill::kConstant, bilinear>(call, w, x, matrices, levels, y);
      case Fill::kReflect: return warp_as<T, Fill::kReflect, bilinear>(call, w, x, matrices, levels, y);
      case Fill::kWrap: return warp_as<T, Fill::kWrap, bilinear>(call, w, x, matrices, levels, y);
      default: return warp_as<T, Fill::kNearest, bilinear>(call, w, x, matrices, levels, y);
    }
  };
  return w.bilinear ? by(std::true_type{}) : by(std::false_type{});
}

bool warp_bytes(const Call& call, const Warp& w, const uint8_t* x, const float* matrices, const float* levels,
                float* y) {
  return warp_of(call, w, x, matrices, levels, y);
}

bool warp_floats(const Call& call, const Warp& w, const float* x, const float* matrices, const float* levels,
                 float* y) {
  return warp_of(call, w, x, matrices, levels, y);
}

}  // namespace
}  // namespace calor
