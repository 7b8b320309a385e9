// The gradients of a convolution that ReLU and max-pooling follow. They are sparse, exactly.
//
// Of a window's convolution outputs only the greatest gets a gradient, and only where ReLU let it pass: with 2 x 2
// pooling at most one in four. So the arriving gradients are first sorted into lists of (where, how much), and the
// loops run over the lists:
//
//   kernel's gradient   for each filter:  for each (pixel, value) in its list:
//                         sums[taps][lanes of channels] += value * x[pixel + taps]           all in registers
//   inputs' gradient    for each window:  for each (filter, value) at one of its places:
//                         patch[rows][columns][lanes of channels] += value * kernel[filter]  all in registers
#pragma once
#include "kernel_gradient.h"
#include "pooling.h"

namespace calor {
namespace {

// Where (in floats) and how much. A list is written kLanes at a time, so it has room for so many more than it holds.
struct List {
  int* offset;
  float* value;

  static size_t size(size_t lists, int capacity) { return 2 * lists * (capacity + kLanes); }
  static List at(float* memory, size_t lists, int capacity, size_t number) {
    const size_t first = number * (capacity + kLanes);
    return {reinterpret_cast<int*>(memory) + first, memory + lists * (capacity + kLanes) + first};
  }
  // Appends the elements that `bits` names; returns how many.
  CALOR_INLINE int append(int n, Ints offsets, Vec values, unsigned bits) const {
    store_packed(reinterpret_cast<float*>(offset) + n, (Vec)offsets, bits);
    store_packed(value + n, values, bits);
    return __builtin_popcount(bits);
  }
};

constexpr int kMostVectors = 12;  // sums that fit in 16 registers beside what they are made of
constexpr int kMostRows = 3;

// ---- The kernel's gradient ----

// sums[row][vector] += value * strip[offset + row * row_step + vector], over the entries of one filter.
template <int R, int V>
void gather(const float* strip, ptrdiff_t row_step, const List& list, int count, float* sums) {
  Vec total[R][V];
  CALOR_UNROLL for (int r = 0; r < R; r++)
    CALOR_UNROLL for (int v = 0; v < V; v++) total[r][v] = load(sums + (r * V + v) * kLanes);
  for (int i = 0; i < count; i++) {
    const float* seen = strip + list.offset[i];
    const Vec value = spread(list.value[i]);
    CALOR_UNROLL for (int r = 0; r < R; r++)
      CALOR_UNROLL for (int v = 0; v < V; v++) total[r][v] += value * load(seen + r * row_step + v * kLanes);
  }
  CALOR_UNROLL for (int r = 0; r < R; r++)
    CALOR_UNROLL for (int v = 0; v < V; v++) store(sums + (r * V + v) * kLanes, total[r][v]);
}

using Gather = void (*)(const float*, ptrdiff_t, const List&, int, float*);

template <int V>
Gather gather_of(int rows) {
  if constexpr (3 * V <= kMostVectors) {
    if (rows == 3) return gather<3, V>;
  }
  if constexpr (2 * V <= kMostVectors) {
    if (rows == 2) return gather<2, V>;
  }
  return gather<1, V>;
}

CALOR_INLINE Gather gather_of(int rows, int vectors) {
  static constexpr Gather (*by_vectors[])(int) = {gather_of<1>, gather_of<2>, gather_of<3>, gather_of<4>,
                                                  gather_of<5>, gather_of<6>, gather_of<7>};
  return by_vectors[vectors - 1](rows);
}

// How far it is, in a strip of x, from a window's first output to the one at a place.
struct Places {
  int pixel, row;  // place * pixel + (place / columns) * row
  int across;      // place * across >> 16 is place / columns, for a byte
  int last;        // the last offset there is: bytes that are no place must do no harm

  CALOR_INLINE Ints offsets(Ints place) const { return place * pixel + ((place * across) >> 16) * row; }
};

// Appends to the lists of `filters` filters, `list_step` apart, what `windows` windows, `step` apart, bring them, at
// most kLanes of each, and adds it to their biases' sums. The square of windows by filters is mirrored, so that a
// vector holds one filter's windows.
CALOR_INLINE void sort_square(const float* dy, const uint8_t* place, int step, int windows, int filters, Ints here,
                              const Places& geometry, List list, int list_step, int* count, float* bias_sums) {
  const Ints nowhere = spread((int)kNowhere);
  Vec values[kLanes]{}, places[kLanes], sum = load(bias_sums);
  for (int i = 0; i < kLanes; i++) {
    places[i] = (Vec)nowhere;
    if (i >= windows) continue;
    values[i] = load_some(dy + (size_t)i * step, filters);
    const Ints there = load_some_bytes(place + (size_t)i * step, filters);
    places[i] = (Vec)there;
    sum += there == nowhere ? Vec{} : values[i];
  }
  store(bias_sums, sum);
  transpose(values);
  transpose(places);
  const Ints last = spread(geometry.last);
  CALOR_UNROLL for (int i = 0; i < kLanes; i++) {
    if (i >= filters) break;
    const Ints there = (Ints)places[i], offsets = here + geometry.offsets(there);
    const Ints passes = (there != nowhere) & (offsets >= Ints{}) & (offsets <= last);
    count[i] += list.append(count[i], offsets, values[i], bits(passes));
    list.offset += list_step, list.value += list_step;
  }
}

// Copies `depth` channels of some lines, from channel `first` on, to where they lie side by side: all that there are,
// or kLanes of them, with zeros after the last.
CALOR_INLINE void copy_strip(const View& seen, int lines, int pixels, int channels, int depth, int first, float* strip,
                             ptrdiff_t pitch) {
  const int some = least(depth, channels - first);
  for (int line = 0; line < lines; line++, strip += pitch) {
    const float* from = seen.data + line * seen.pitch + first;
    if (depth == channels)
      std::memcpy(strip, from, (size_t)pixels * channels * sizeof(float));
    else
      for (int i = 0; i < pixels; i++)
        store(strip + (size_t)i * kLanes, load_some(from + (size_t)i * channels, some));
  }
}

bool pooled_kernel_gradient(const Call& call, const Convolution& c, const Pooling& p, const float* x, const float* dy,
                            const uint8_t* place, float* dkernel, float* dbias) {
  // Few channels lie side by side with those of the neighbouring pixels, a kernel's row in a few vectors; many are
  // taken kLanes at a time, and then a vector is one pixel.
  const bool few = c.channels < kLanes;
  const int blocks = few ? 1 : parts(c.channels, kLanes), pixel_step = few ? c.channels : kLanes;
  const int vectors = few ? parts(c.columns.taps * c.channels, kLanes) : c.columns.taps;
  const int together = least(least(kMostRows, kMostVectors / vectors), c.rows.taps);  // kernel rows

  // So many rows of windows at a time that their x stays in the nearest cache.
  constexpr int kStripFloats = 5 * 1024;
  const int width = most(c.columns.covered(c.columns.outputs), c.columns.low + 1);
  const int fitting = (kStripFloats / (width * pixel_step) - c.rows.reach()) / (p.rows.taps * c.rows.stride);
  const int strip_rows = least(p.rows.outputs, most(1, fitting));
  const int capacity = strip_rows * p.columns.outputs;
  const int strip_lines = c.rows.covered(least(c.rows.outputs, strip_rows * p.rows.taps));
  const ptrdiff_t pitch = (ptrdiff_t)width * pixel_step;
  const size_t strip_size = strip_lines * pitch + (size_t)vectors * kLanes;

  const size_t sums_size = (size_t)c.rows.taps * vectors * kLanes;  // of a filter and a block of channels
  const size_t bias_at = sums_size * blocks * c.filters;
  Partial partial(c.batch, bias_at + rounded_up(c.filters, kLanes));
  Padding padding(c, least(c.rows.outputs, strip_rows * p.rows.taps));
  float* strips = call.scratch.floats(strip_size * call.team.size);
  const size_t lists_size = List::size(c.filters, capacity);
  float* lists = call.scratch.floats(lists_size * call.team.size);
  int* counts = reinterpret_cast<int*>(call.scratch.floats((size_t)c.filters * call.team.size));
  int* offsets = reinterpret_cast<int*>(call.scratch.floats((size_t)(capacity + kLanes) * call.team.size));
  if (!partial.allocate(call) || !padding.allocate(call) || !strips || !lists || !counts || !offsets)
    return false;

  const int pixel_place = c.columns.stride * pixel_step;
  const Places places{pixel_place, (int)(c.rows.stride * pitch) - p.columns.taps * pixel_place,
                      parts(1 << 16, p.columns.taps), (int)((strip_lines - c.rows.reach() + 1) * pitch)};

  call.team.each(partial.count, [&](int number, int worker) {
    float* own = partial.part(number);
    std::memset(own, 0, partial.size * sizeof(float));
    float* strip = strips + strip_size * worker;
    float* own_lists = lists + lists_size * worker;
    const auto list = [&](int filter) { return List::at(own_lists, c.filters, capacity, filter); };
    int* count = counts + (size_t)c.filters * worker;
    int* offset = offsets + (size_t)(capacity + kLanes) * worker;
    std::memset(strip, 0, strip_size * sizeof(float));
    for (int picture = partial.first(number); picture < partial.last(number); picture++) {
      for (int first = 0; first < p.rows.outputs; first += strip_rows) {
        const int rows = least(strip_rows, p.rows.outputs - first);
        const int begin = span_of(p.rows, first).first, end = span_of(p.rows, first + rows - 1).last;
        const size_t at = p.output() * picture + (size_t)first * p.columns.outputs * c.filters;

        const int windows = rows * p.columns.outputs;
        for (int window = 0; window < windows; window++) {
          const int line = (first + window / p.columns.outputs) * p.rows.taps - p.rows.low - begin;
          const int column = window % p.columns.outputs * p.columns.taps - p.columns.low;
          offset[window] = (int)(line * c.rows.stride * pitch) + column * c.columns.stride * pixel_step;
        }
        std::memset(count, 0, c.filters * sizeof(int));
        for (int window = 0; window < windows; window += kLanes)
          for (int filter = 0; filter < c.filters; filter += kLanes)
            sort_square(dy + at + (size_t)window * c.filters + filter, place + at + (size_t)window * c.filters + filter,
                        c.filters, least(kLanes, windows - window), least(kLanes, c.filters - filter),
                        load_ints(offset + window), places, list(filter), capacity + kLanes, count + filter,
                        own + bias_at + filter);

        const View seen = padding.rows(x + c.picture() * picture, begin, end - begin, worker);
        const int lines = c.rows.covered(end - begin), pixels = least(width, (int)(seen.pitch / c.channels));
        for (int block = 0; block < blocks; block++) {
          copy_strip(seen, lines, pixels, c.channels, few ? c.channels : kLanes, block * kLanes, strip, pitch);
          for (int row = 0; row < c.rows.taps; row += together) {
            const int tall = least(together, c.rows.taps - row);
            const Gather gather = gather_of(tall, vectors);
            const ptrdiff_t row_step = c.rows.dilation * pitch;
            for (int filter = 0; filter < c.filters; filter++)
              gather(strip + row * row_step, row_step, list(filter), count[filter],
                     own + ((size_t)block * c.filters + filter) * sums_size + (size_t)row * vectors * kLanes);
          }
        }
      }
    }
  });

  call.team.each(c.taps(), [&](int tap, int) {
    const int row = tap / c.columns.taps, column = tap % c.columns.taps;
    for (int channel = 0; channel < c.channels; channel++) {
      const int block = few ? 0 : channel / kLanes;
      const int lane = few ? column * c.channels + channel : column * kLanes + channel % kLanes;
      const size_t from = sums_size * block * c.filters + (size_t)row * vectors * kLanes + lane;
      float* to = dkernel + ((size_t)tap * c.channels + channel) * c.filters;
      for (int filter = 0; filter < c.filters; filter++) to[filter] = partial.total(from + sums_size * filter);
    }
  });
  for (int filter = 0; filter < c.filters; filter++) dbias[filter] = partial.total(bias_at + filter);
  return true;
}

// ---- The inputs' gradient ----

constexpr int kFilters = 64;  // so many filters' taps, for kLanes channels, stay in the nearest cache

// One row of a window's places: patch[row][column] += value * kernel[row][column - place], over the entries of each
// place. `dx` is the patch's first pixel; R rows of the kernel at a time.
template <int R, int KW, int PW>
void scatter(float* dx, ptrdiff_t row_step, ptrdiff_t step, const float* kernel, List list, const int* counts) {
  constexpr int kWide = PW - 1 + KW;
  Vec patch[R][kWide];
  CALOR_UNROLL for (int r = 0; r < R; r++)
    CALOR_UNROLL for (int k = 0; k < kWide; k++) patch[r][k] = load(dx + r * row_step + k * step);
  CALOR_UNROLL for (int place = 0; place < PW; place++) {
    for (int i = 0; i < counts[place]; i++) {
      const float* taps = kernel + list.offset[i];
      const Vec value = spread(list.value[i]);
      CALOR_UNROLL for (int r = 0; r < R; r++)
        CALOR_UNROLL for (int k = 0; k < KW; k++) patch[r][place + k] += value * load(taps + (r * KW + k) * kLanes);
    }
    list.offset += kFilters + kLanes, list.value += kFilters + kLanes;
  }
  CALOR_UNROLL for (int r = 0; r < R; r++)
    CALOR_UNROLL for (int k = 0; k < kWide; k++) store(dx + r * row_step + k * step, patch[r][k]);
}

using Scatter = void (*)(float*, ptrdiff_t, ptrdiff_t, const float*, List, const int*);

constexpr int scatter_rows(int kernel, int pool) { return least(kMostVectors / (pool - 1 + kernel), kMostRows); }

template <int KW, int PW>
Scatter scatter_of(int rows) {
  if constexpr (scatter_rows(KW, PW) >= 3) {
    if (rows == 3) return scatter<3, KW, PW>;
  }
  if constexpr (scatter_rows(KW, PW) >= 2) {
    if (rows == 2) return scatter<2, KW, PW>;
  }
  return scatter<1, KW, PW>;
}

template <int KW>
Scatter scatter_of(int rows, int pool) {
  switch (pool) {
    case 1: return scatter_of<KW, 1>(rows);
    case 2: return scatter_of<KW, 2>(rows);
    case 3: return scatter_of<KW, 3>(rows);
    default: return scatter_of<KW, 4>(rows);
  }
}

CALOR_INLINE Scatter scatter_of(int rows, int kernel, int pool) {
  static constexpr Scatter (*by_kernel[kMostKernel])(int, int) = {
      scatter_of<1>, scatter_of<2>, scatter_of<3>, scatter_of<4>, scatter_of<5>, scatter_of<6>, scatter_of<7>};
  return by_kernel[kernel - 1](rows, pool);
}

// Sorts a window's gradients of `some` filters into one list for each place. C is the number of places, or 0 where it
// was not known to the compiler.
template <int C>
CALOR_INLINE void sort_window(const float* dy, const uint8_t* place, int some, int filter_size, int places, List list,
                              int* count) {
  int n[C ? C : kMostPlaces]{};
  const int all = C ? C : places;
  for (int i = 0; i < some; i += kLanes) {
    const int wide = least(kLanes, some - i);
    const Vec values = load_some(dy + i, wide);
    const Ints there = load_some_bytes(place + i, wide, kNowhere);
    const Ints offsets = (ramp() + spread(i)) * spread(filter_size);
    for (int number = 0; number < all; number++) {
      const ptrdiff_t at = (ptrdiff_t)number * (kFilters + kLanes);
      const List own{list.offset + at, list.value + at};
      n[number] += own.append(n[number], offsets, values, bits(there == spread(number)));
    }
  }
  std::memcpy(count, n, all * sizeof(int));
}

bool pooled_inputs_gradient(const Call& call, const Convolution& c, const Pooling& p, const float* dy,
                            const uint8_t* place, const float* kernel, float* dx) {
  // The patches of all windows, the cut ones at the edges too, cover this much; pixel (0, 0) of it is pixel
  // (-low, -low) of the picture.
  const int height = p.rows.outputs * p.rows.taps + c.rows.taps - 1;
  const int width = p.columns.outputs * p.columns.taps + c.columns.taps - 1;
  const int low = p.rows.low + c.rows.low, left = p.columns.low + c.columns.low;
  const int blocks = parts(c.channels, kLanes), depth = blocks * kLanes;
  const bool direct = !low && !left && height <= c.rows.size && width <= c.columns.size && depth == c.channels;
  const ptrdiff_t pitch = direct ? (ptrdiff_t)c.columns.size * c.channels : (ptrdiff_t)width * depth;
  const size_t size = direct ? 0 : height * pitch;
  float* memory = direct ? nullptr : call.scratch.floats(size * call.team.size);

  // [block of channels][filter][tap][channel in the block]
  const size_t filter_size = (size_t)c.taps() * kLanes;
  float* packed = call.scratch.floats(blocks * c.filters * filter_size);
  const int classes = p.rows.taps * p.columns.taps;
  const size_t counts_size = (size_t)p.columns.outputs * classes, lists_size = List::size(counts_size, kFilters);
  float* lists = call.scratch.floats(lists_size * call.team.size);
  int* counts = reinterpret_cast<int*>(call.scratch.floats(counts_size * call.team.size));
  if ((!direct && !memory) || !packed || !lists || !counts) return false;

  call.team.each(blocks, [&](int block, int) {
    float* to = packed + block * c.filters * filter_size;
    const int some = least(kLanes, c.channels - block * kLanes);
    for (int filter = 0; filter < c.filters; filter++)
      for (int tap = 0; tap < c.taps(); tap++, to += kLanes)
        for (int k = 0; k < kLanes; k++)
          to[k] = k < some ? kernel[((size_t)tap * c.channels + block * kLanes + k) * c.filters + filter] : 0.0f;
  });

  const int together = least(scatter_rows(c.columns.taps, p.columns.taps), c.rows.taps);
  call.team.each(c.batch, [&](int picture, int worker) {
    float* to = direct ? dx + c.picture() * picture : memory + size * worker;
    std::memset(to, 0, (direct ? c.picture() : size) * sizeof(float));
    float* own_lists = lists + lists_size * worker;
    const auto list = [&](size_t number) { return List::at(own_lists, counts_size, kFilters, number); };
    int* count = counts + counts_size * worker;
    for (int row = 0; row < p.rows.outputs; row++) {
      for (int filter = 0; filter < c.filters; filter += kFilters) {
        const int some = least(kFilters, c.filters - filter);
        for (int window = 0; window < p.columns.outputs; window++) {
          const size_t at = p.output() * picture + ((size_t)row * p.columns.outputs + window) * c.filters + filter;
          const auto sort = classes == 4 ? sort_window<4> : sort_window<0>;
          sort(dy + at, place + at, some, (int)filter_size, classes, list(window * classes), count + window * classes);
        }
        for (int block = 0; block < blocks; block++) {
          const float* taps = packed + ((size_t)block * c.filters + filter) * filter_size;
          for (int kernel_row = 0; kernel_row < c.rows.taps; kernel_row += together) {
            const int tall = least(together, c.rows.taps - kernel_row);
            const Scatter scatter = scatter_of(tall, c.columns.taps, p.columns.taps);
            for (int line = 0; line < p.rows.taps; line++) {
              float* first = to + (row * p.rows.taps + line + kernel_row) * pitch + block * kLanes;
              for (int window = 0; window < p.columns.outputs; window++) {
                const int at = window * classes + line * p.columns.taps;
                scatter(first + (size_t)window * p.columns.taps * depth, pitch, depth,
                        taps + kernel_row * c.columns.taps * kLanes, list(at), count + at);
              }
            }
          }
        }
      }
    }
    if (direct) return;
    float* out = dx + c.picture() * picture;
    for (int i = 0; i < c.rows.size; i++) {
      for (int j = 0; j < c.columns.size; j++, out += c.channels) {
        const int line = i + low, column = j + left;
        if (line < height && column < width)
          std::memcpy(out, to + line * pitch + (ptrdiff_t)column * depth, c.channels * sizeof(float));
        else
          std::memset(out, 0, c.channels * sizeof(float));
      }
    }
  });
  return true;
}

}  // namespace
}  // namespace calor
