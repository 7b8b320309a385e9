// Every kernel on random shapes, without XLA, for the sanitizers: each array in memory of exactly its size, threads
// that a sanitizer sees through, and everything that the handlers let pass. See sanitize.sh.
//
//   harness SEED ROUNDS
//
// All numbers are small and whole or halves, so that nothing is rounded, whatever the order of the sums: every
// instruction set must end with the same checksum.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "dispatch.h"

using namespace calor;

static std::mt19937 generator;
static uint64_t checksum = 14695981039346656037u;

static int between(int least, int most) { return std::uniform_int_distribution<int>(least, most)(generator); }

template <class T>
using Array = std::unique_ptr<T[]>;

static Array<float> floats(size_t count) {
  Array<float> array(new float[count]);
  for (size_t i = 0; i < count; i++) array[i] = float(between(-4, 4)) / 2;
  return array;
}

static Array<uint8_t> bytes(size_t count) {
  Array<uint8_t> array(new uint8_t[count]);
  for (size_t i = 0; i < count; i++) array[i] = (uint8_t)between(0, 255);
  return array;
}

// A call with so many threads, and the memory that it asked for.
struct Caller {
  int threads;
  std::vector<void*> blocks;

  explicit Caller(int threads) : threads(threads) {}
  ~Caller() {
    for (void* block : blocks) std::free(block);
  }
  static void run(void* self, int tasks, Team::Task task, void* context) {
    std::atomic<int> next{0};
    std::vector<std::thread> team;
    const auto work = [&](int worker) {
      for (int number; (number = next.fetch_add(1)) < tasks;) task(context, number, worker);
    };
    for (int worker = 1; worker < static_cast<Caller*>(self)->threads; worker++) team.emplace_back(work, worker);
    work(0);
    for (auto& thread : team) thread.join();
  }
  static void* allocate(void* self, size_t bytes) {
    void* block = std::malloc(bytes);
    static_cast<Caller*>(self)->blocks.push_back(block);
    return block;
  }
  Call call() { return {{this, threads, run}, {this, allocate}}; }
};

static Axis window(int most_size, int most_taps, int most_stride, int most_dilation) {
  for (;;) {
    Axis axis{between(1, most_size), between(1, most_taps), between(1, most_stride), between(1, most_dilation), 0, 0};
    axis.low = between(0, 1) ? between(0, axis.reach() - 1) : 0;
    axis.outputs = between(1, most_size);
    if (axis.covered(axis.outputs) - axis.low < axis.size + axis.reach()) return axis;
  }
}

static Axis pool(int size, int most_taps) {
  for (;;) {
    const int taps = between(1, most_taps);
    Axis axis{size, taps, taps, 1, between(0, 1) ? between(0, taps - 1) : 0, between(1, size)};
    if ((axis.outputs - 1) * taps - axis.low < size) return axis;
  }
}

static int channels() {
  static const int counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 64, 65, 67};
  return counts[between(0, 17)];
}

// Runs `function(call, results)` with one and with several threads, and compares the bits.
template <class T, class F>
static bool same(const char* name, size_t count, F&& function) {
  Array<T> one(new T[count]), several(new T[count]);
  Caller alone(1), team(between(2, 4));
  if (!function(alone.call(), one.get()) || !function(team.call(), several.get())) return false;
  for (size_t i = 0; i < count; i++) {
    const float value = float(one[i]) + 0.0f;  // -0 is 0
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    checksum = (checksum ^ bits) * 1099511628211u;  // FNV-1a, by words
  }
  if (!std::memcmp(one.get(), several.get(), count * sizeof(T))) return true;
  std::printf("%s: another result with %d threads\n", name, team.threads);
  return false;
}

// Maps in halves, over pictures of bytes and of floats, and then wild ones, which must stay inside the pictures.
static bool warps(const Kernels& kernels) {
  const Warp w{between(1, 5), between(1, 20), between(1, 40), between(0, 1) ? between(1, 4) : channels(),
               between(0, 1) == 1, Fill(between(0, 3))};
  const size_t count = w.picture() * w.batch;
  auto matrices = floats(9 * (size_t)w.batch), levels = floats(3 * (size_t)w.channels), x = floats(count);
  auto few = bytes(count);
  for (int i = 0; i < w.batch; i++)
    for (int j = 0; j < 2; j++) matrices[9 * i + 3 * j + 2] = float(between(-200, 200)) / 4;
  bool good = same<float>("warp_bytes", count, [&](const Call& call, float* y) {
    return kernels.warp_bytes(call, w, few.get(), matrices.get(), levels.get(), y);
  });
  good &= same<float>("warp_floats", count, [&](const Call& call, float* y) {
    return kernels.warp_floats(call, w, x.get(), matrices.get(), levels.get(), y);
  });
  static const float wild[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e9f, -1e9f, 2147483648.0f, 1e-40f};
  for (int i = 0; i < 9 * w.batch; i++)
    if (!between(0, 2)) matrices[i] = wild[between(0, 8)];
  Array<float> y(new float[count]);
  Caller caller(2);
  good &= kernels.warp_bytes(caller.call(), w, few.get(), matrices.get(), levels.get(), y.get());
  return good & kernels.warp_floats(caller.call(), w, x.get(), matrices.get(), levels.get(), y.get());
}

static bool round_of(const Kernels& kernels) {
  const bool tall = !between(0, 9);
  Convolution c{between(1, 9), channels(), channels(), window(tall ? 60 : 12, 7, 4, 3), window(12, 7, 4, 3)};
  auto x = floats(c.picture() * c.batch), dy = floats(c.output() * c.batch), bias = floats(c.filters);
  const size_t taps = (size_t)c.taps() * c.channels * c.filters;
  auto kernel = floats(taps);
  const bool relu = between(0, 1);
  bool good = same<float>("convolution", c.output() * c.batch, [&](const Call& call, float* y) {
    return kernels.convolution(call, c, x.get(), kernel.get(), bias.get(), relu, y);
  });
  good &= same<float>("inputs_gradient", c.picture() * c.batch, [&](const Call& call, float* dx) {
    return kernels.inputs_gradient(call, c, dy.get(), kernel.get(), dx);
  });
  good &= same<float>("kernel_gradient", taps, [&](const Call& call, float* dkernel) {
    auto dbias = floats(c.filters);
    return kernels.kernel_gradient(call, c, x.get(), dy.get(), dkernel, dbias.get());
  });

  const bool square = !between(0, 3);  // what Winograd's way takes
  const auto plain = [&](int most) {
    for (;;) {
      Axis axis = window(most, square ? 3 : 7, 1, 1);
      if (!square || axis.taps == 3) return axis;
    }
  };
  Convolution before{between(1, 9), channels(), channels(), plain(tall ? 60 : 14), plain(14)};
  Pooling p{before.batch, before.filters, pool(before.rows.outputs, square ? 2 : 5), pool(before.columns.outputs, square ? 2 : 4)};
  x = floats(before.picture() * before.batch), bias = floats(before.filters);
  kernel = floats((size_t)before.taps() * before.channels * before.filters);
  const size_t pooled = p.output() * p.batch;
  Array<uint8_t> place(new uint8_t[pooled]);
  good &= same<float>("pooled_convolution", pooled, [&](const Call& call, float* y) {
    return kernels.pooled_convolution(call, before, p, x.get(), kernel.get(), bias.get(), y, place.get());
  });
  dy = floats(pooled);
  for (int wild = 0; wild < 2; wild++) {  // the places that were found, and then any bytes
    if (wild) place = bytes(pooled);
    good &= same<float>("pooled_inputs_gradient", before.picture() * before.batch, [&](const Call& call, float* dx) {
      return kernels.pooled_inputs_gradient(call, before, p, dy.get(), place.get(), kernel.get(), dx);
    });
    good &= same<float>("pooled_kernel_gradient", (size_t)before.taps() * before.channels * before.filters,
                        [&](const Call& call, float* dkernel) {
                          auto dbias = floats(before.filters);
                          return kernels.pooled_kernel_gradient(call, before, p, x.get(), dy.get(), place.get(), dkernel,
                                                                dbias.get());
                        });
  }

  Pooling alone{between(1, 4), channels(), pool(between(1, 40), 15), pool(between(1, 40), 17)};
  x = floats(alone.picture() * alone.batch), dy = floats(alone.output() * alone.batch);
  place.reset(new uint8_t[alone.output() * alone.batch]);
  good &= same<float>("max_pooling", alone.output() * alone.batch, [&](const Call& call, float* y) {
    return kernels.max_pooling(call, alone, x.get(), y, place.get());
  });
  for (int wild = 0; wild < 2; wild++) {
    if (wild) place = bytes(alone.output() * alone.batch);
    good &= same<float>("max_pooling_gradient", alone.picture() * alone.batch, [&](const Call& call, float* dx) {
      return kernels.max_pooling_gradient(call, alone, dy.get(), place.get(), dx);
    });
  }
  good &= warps(kernels);
  return good;
}

int main(int count, char** arguments) {
  const int seed = count > 1 ? std::atoi(arguments[1]) : 0, rounds = count > 2 ? std::atoi(arguments[2]) : 100;
  bool good = true;
  for (int round = 0; round < rounds; round++) {
    generator.seed(seed * 1000003 + round);
    if (!round_of(kernels())) std::printf("in round %d of seed %d\n", round, seed), good = false;
  }
  std::printf("%s: %d rounds, %s, checksum %016llx\n", kernels().name, rounds, good ? "all the same" : "NOT the same",
              static_cast<unsigned long long>(checksum));
  return !good;
}
