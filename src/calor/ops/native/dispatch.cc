// Choosing the kernels for the processor at run time.
#include "dispatch.h"

#include <cstdlib>
#include <cstring>

namespace calor {

// The build defines CALOR_HAS_... for each table that it compiled.
extern const Kernels kernels_generic;
#ifdef CALOR_HAS_AVX2
extern const Kernels kernels_avx2;
#endif
#ifdef CALOR_HAS_AVX512
extern const Kernels kernels_avx512;
#endif
#ifdef CALOR_HAS_NEON
extern const Kernels kernels_neon;
#endif

static const Kernels& choose() {
  const char* wanted = std::getenv("CALOR_KERNELS");
  [[maybe_unused]] const auto asked_for = [&](const Kernels& table) {
    return !wanted || !*wanted || !std::strcmp(wanted, table.name);
  };
#ifdef CALOR_HAS_AVX512
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && asked_for(kernels_avx512))
    return kernels_avx512;
#endif
#ifdef CALOR_HAS_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && asked_for(kernels_avx2)) return kernels_avx2;
#endif
#ifdef CALOR_HAS_NEON
  if (asked_for(kernels_neon)) return kernels_neon;
#endif
  return kernels_generic;
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace calor
