// Which table of kernels this processor gets.
#pragma once
#include "kernels.h"

namespace calor {

// The best one that the processor can run, or the one that CALOR_KERNELS names. Chosen at the first call.
const Kernels& kernels();

}  // namespace calor
