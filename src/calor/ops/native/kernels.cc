// The table of kernels for one instruction set: compiled once for each, with its own flags and its own CALOR_TARGET.
//
// Everything but the table has internal linkage or is always inlined, and nothing from the standard library is
// instantiated here, so the linker cannot mix code for one instruction set into another's.
#include "convolution.h"
#include "kernel_gradient.h"
#include "pooled.h"
#include "sparse.h"
#include "warp.h"

#define CALOR_JOIN_(a, b) a##b
#define CALOR_JOIN(a, b) CALOR_JOIN_(a, b)
#define CALOR_TEXT_(a) #a
#define CALOR_TEXT(a) CALOR_TEXT_(a)

namespace calor {
namespace {

// As many multiply-adds as the registers allow side by side, on nothing from memory.
double peak(int64_t rounds) {
  constexpr int kSums = 12;
  Vec sums[kSums];
  CALOR_UNROLL for (int i = 0; i < kSums; i++) sums[i] = spread(0.5f + i);
  const Vec factor = spread(0.999f), added = spread(1e-3f);
  for (int64_t round = 0; round < rounds; round++)
    CALOR_UNROLL for (int i = 0; i < kSums; i++) sums[i] = sums[i] * factor + added;
  Vec total{};
  CALOR_UNROLL for (int i = 0; i < kSums; i++) total += sums[i];
  volatile float result = total[0];  // used, or the compiler would leave the loop out
  return 2.0 * kSums * kLanes * rounds + 0 * (result > 0);
}

}  // namespace

extern const Kernels CALOR_JOIN(kernels_, CALOR_TARGET);
const Kernels CALOR_JOIN(kernels_, CALOR_TARGET) = {
    CALOR_TEXT(CALOR_TARGET), kLanes,
    convolution, inputs_gradient, kernel_gradient,
    pooled_convolution, pooled_inputs_gradient, pooled_kernel_gradient,
    max_pooling, max_pooling_gradient, warp_bytes, warp_floats, peak,
};

}  // namespace calor
