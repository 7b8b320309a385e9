// What XLA calls: each handler checks the shapes it was given, describes them, and hands them to a kernel.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "dispatch.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace calor {
namespace {

using Pictures = ffi::Buffer<ffi::F32, 4>;
using Vector = ffi::Buffer<ffi::F32, 1>;
using Matrices = ffi::Buffer<ffi::F32, 3>;
using Levels = ffi::Buffer<ffi::F32, 2>;
using Places = ffi::Buffer<ffi::U8, 4>;
using PicturesOut = ffi::Result<Pictures>;
using VectorOut = ffi::Result<Vector>;
using PlacesOut = ffi::Result<Places>;
using Numbers = ffi::Span<const int64_t>;

// ---- Threads, XLA's own, and memory ----

// The caller works, too, so the tasks are done even where the pool has no thread to spare. A thread that comes late
// finds no task left and touches nothing of a call that may be over.
void run_on_pool(void* self, int tasks, Team::Task task, void* context) {
  auto* pool = static_cast<ffi::ThreadPool*>(self);
  struct State {
    std::atomic<int> next{0}, done{0};
  };
  auto state = std::make_shared<State>();
  const auto work = [state, tasks, task, context](int worker) {
    for (int number; (number = state->next.fetch_add(1)) < tasks;) {
      task(context, number, worker);
      state->done.fetch_add(1, std::memory_order_release);
    }
  };
  // XLA's queue hands the task over as well, but where the thread sanitizer cannot see it.
  state->next.store(0, std::memory_order_release);
  const int helpers = static_cast<int>(std::min<int64_t>(pool->num_threads(), tasks)) - 1;
  for (int helper = 1; helper <= helpers; helper++) pool->Schedule([work, helper] { work(helper); });
  work(0);
  while (state->done.load(std::memory_order_acquire) < tasks) std::this_thread::yield();
}

// XLA lends scratch memory on GPUs only; on a CPU it says that plain allocation is as good.
class Memory {
 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  ~Memory() {
    for (int i = 0; i < count_; i++) std::free(blocks_[i]);
  }
  static void* allocate(void* self, size_t bytes) {
    constexpr size_t kLine = 64;  // no vector lies across two cache lines
    auto& memory = *static_cast<Memory*>(self);
    void* block = nullptr;
    if (memory.count_ == kMost || posix_memalign(&block, kLine, bytes + kLine)) return nullptr;
    return memory.blocks_[memory.count_++] = block;
  }

 private:
  static constexpr int kMost = 16;  // no kernel asks for as many
  void* blocks_[kMost];
  int count_ = 0;
};

// The threads and the memory of one call.
struct Resources {
  ffi::ThreadPool& pool;
  Memory memory = {};

  Call call() {
    const int threads = static_cast<int>(std::max<int64_t>(pool.num_threads(), 1));
    return {{&pool, threads, run_on_pool}, {&memory, Memory::allocate}};
  }
};

// Where a result is to be written. XLA's memory is new at every execution, and the system fills it with zeros page by
// page when it is first touched: with small pages a sixth of a training step's time on large pictures.
template <class B>
auto* to(ffi::Result<B>& result) {
  auto* data = result->typed_data();
#if defined(MADV_HUGEPAGE)
  constexpr uintptr_t kPage = 4096;
  constexpr size_t kLarge = 4 << 20;  // two large pages
  const auto at = reinterpret_cast<uintptr_t>(data), begin = at / kPage * kPage;
  if (result->size_bytes() >= kLarge)  // a wish, so whether it is granted does not matter
    madvise(reinterpret_cast<void*>(begin), at + result->size_bytes() - begin, MADV_HUGEPAGE);
#endif
  return data;
}

// ---- Shapes ----

ffi::Error wrong(const std::string& what) { return ffi::Error(ffi::ErrorCode::kInvalidArgument, "calor: " + what); }

ffi::Error finished(bool enough_memory) {
  if (enough_memory) return ffi::Error::Success();
  return ffi::Error(ffi::ErrorCode::kResourceExhausted, "calor: there was no memory left for a kernel's scratch");
}

constexpr int64_t kMostSide = 1 << 22;  // of a warped picture: positions are floats, and exact to a quarter pixel
constexpr int64_t kMostElements = int64_t{1} << 31;  // along an axis, and in a picture: they are counted in ints

// `window` holds strides, dilations and paddings before the first element, each down and across. Nothing if the
// shapes do not fit together.
std::optional<Convolution> convolution_of(ffi::Span<const int64_t> x, ffi::Span<const int64_t> kernel,
                                          ffi::Span<const int64_t> y, Numbers window) {
  if (window.size() != 6 || x.size() != 4 || kernel.size() != 4 || y.size() != 4) return {};
  for (size_t i = 0; i < 4; i++)
    if (x[i] < 1 || kernel[i] < 1 || y[i] < 1) return {};
  if (x[0] != y[0] || x[3] != kernel[2] || kernel[3] != y[3]) return {};
  if (y[1] >= kMostElements || y[2] >= kMostElements || x[0] >= kMostElements / y[1]) return {};
  if (x[0] >= kMostElements || x[1] * x[2] >= kMostElements / x[3] || y[1] * y[2] >= kMostElements / y[3]) return {};
  if (kernel[0] * kernel[1] >= kMostElements / kernel[2] / kernel[3]) return {};
  Axis axes[2];
  for (int i = 0; i < 2; i++) {
    const int64_t size = x[1 + i], taps = kernel[i], stride = window[i], dilation = window[2 + i], low = window[4 + i];
    const int64_t outputs = y[1 + i];
    if (stride < 1 || stride >= 1 << 16 || dilation < 1 || dilation >= 1 << 16 || taps >= 1 << 14) return {};
    const int64_t reach = (taps - 1) * dilation + 1, covered = (outputs - 1) * stride + reach;
    if (low < 0 || low >= reach || covered >= kMostElements / 8 || covered - low >= size + reach) return {};
    axes[i] = {int(size), int(taps), int(stride), int(dilation), int(low), int(outputs)};
  }
  return Convolution{int(x[0]), int(x[3]), int(kernel[3]), axes[0], axes[1]};
}

// `pool` holds the windows' height and width and the paddings before the first element.
std::optional<Pooling> pooling_of(int batch, int channels, int rows, int columns, ffi::Span<const int64_t> y,
                                  Numbers pool) {
  if (pool.size() != 4 || y.size() != 4 || y[0] != batch || y[3] != channels) return {};
  if (y[1] < 1 || batch >= kMostElements / y[1]) return {};  // so many tasks there may be
  const int sizes[] = {rows, columns};
  Axis axes[2];
  for (int i = 0; i < 2; i++) {
    const int64_t taps = pool[i], low = pool[2 + i], outputs = y[1 + i];
    // Every window must hold an element of the picture.
    if (taps < 1 || taps > kMostPlaces || low < 0 || low >= taps || outputs < 1) return {};
    if ((outputs - 1) * taps - low >= sizes[i]) return {};
    axes[i] = {sizes[i], int(taps), int(taps), 1, int(low), int(outputs)};
  }
  if (axes[0].taps * axes[1].taps > kMostPlaces) return {};
  return Pooling{batch, channels, axes[0], axes[1]};
}

// The outputs of a convolution that pooling follows; they are never written, so they are not among the arguments.
std::optional<Convolution> pooled_convolution_of(ffi::Span<const int64_t> x, ffi::Span<const int64_t> kernel,
                                                 Numbers window, Numbers outputs) {
  if (outputs.size() != 2 || x.size() != 4 || kernel.size() != 4) return {};
  const int64_t y[] = {x[0], outputs[0], outputs[1], kernel[3]};
  return convolution_of(x, kernel, ffi::Span<const int64_t>(y, 4), window);
}

std::optional<Pooling> pooling_after(const std::optional<Convolution>& c, ffi::Span<const int64_t> y, Numbers pool) {
  if (!c) return {};
  return pooling_of(c->batch, c->filters, c->rows.outputs, c->columns.outputs, y, pool);
}

template <class A, class B>
bool same_shape(const A& a, const B& b) {
  const auto one = a.dimensions(), other = b.dimensions();
  return std::equal(one.begin(), one.end(), other.begin(), other.end());
}

// ---- Handlers ----

ffi::Error convolution(ffi::ThreadPool pool, Pictures x, Pictures kernel, Vector bias,
                       PicturesOut y, Numbers window, bool relu) {
  const auto c = convolution_of(x.dimensions(), kernel.dimensions(), y->dimensions(), window);
  if (!c || bias.dimensions()[0] != c->filters) return wrong("the shapes of a convolution do not fit together");
  return finished(kernels().convolution(Resources{pool}.call(), *c, x.typed_data(), kernel.typed_data(),
                                        bias.typed_data(), relu, to(y)));
}

ffi::Error inputs_gradient(ffi::ThreadPool pool, Pictures dy, Pictures kernel,
                           PicturesOut dx, Numbers window) {
  const auto c = convolution_of(dx->dimensions(), kernel.dimensions(), dy.dimensions(), window);
  if (!c) return wrong("the shapes of a convolution's inputs' gradient do not fit together");
  return finished(kernels().inputs_gradient(Resources{pool}.call(), *c, dy.typed_data(), kernel.typed_data(),
                                            to(dx)));
}

ffi::Error kernel_gradient(ffi::ThreadPool pool, Pictures x, Pictures dy,
                           PicturesOut dkernel, VectorOut dbias, Numbers window) {
  const auto c = convolution_of(x.dimensions(), dkernel->dimensions(), dy.dimensions(), window);
  if (!c || dbias->dimensions()[0] != c->filters)
    return wrong("the shapes of a convolution's kernel's gradient do not fit together");
  return finished(kernels().kernel_gradient(Resources{pool}.call(), *c, x.typed_data(), dy.typed_data(),
                                            to(dkernel), to(dbias)));
}

ffi::Error pooled_convolution(ffi::ThreadPool pool, Pictures x, Pictures kernel,
                              Vector bias, PicturesOut y, PlacesOut place, Numbers window, Numbers outputs,
                              Numbers pooling) {
  const auto c = pooled_convolution_of(x.dimensions(), kernel.dimensions(), window, outputs);
  const auto p = pooling_after(c, y->dimensions(), pooling);
  if (!p || bias.dimensions()[0] != c->filters || !same_shape(*y, *place))
    return wrong("the shapes of a pooled convolution do not fit together");
  return finished(kernels().pooled_convolution(Resources{pool}.call(), *c, *p, x.typed_data(), kernel.typed_data(),
                                               bias.typed_data(), to(y), to(place)));
}

bool compiled_for(const Convolution& c, const Pooling& p) {
  return c.rows.stride == 1 && c.columns.stride == 1 && c.rows.dilation == 1 && c.columns.dilation == 1 &&
         c.columns.taps <= kMostKernel && p.columns.taps <= kMostPool;
}

ffi::Error pooled_inputs_gradient(ffi::ThreadPool pool, Pictures dy, Places place,
                                  Pictures kernel, PicturesOut dx, Numbers window, Numbers outputs, Numbers pooling) {
  const auto c = pooled_convolution_of(dx->dimensions(), kernel.dimensions(), window, outputs);
  const auto p = pooling_after(c, dy.dimensions(), pooling);
  if (!p || !compiled_for(*c, *p) || !same_shape(dy, place))
    return wrong("the shapes of a pooled convolution's inputs' gradient do not fit together");
  return finished(kernels().pooled_inputs_gradient(Resources{pool}.call(), *c, *p, dy.typed_data(),
                                                   place.typed_data(), kernel.typed_data(), to(dx)));
}

ffi::Error pooled_kernel_gradient(ffi::ThreadPool pool, Pictures x, Pictures dy,
                                  Places place, PicturesOut dkernel, VectorOut dbias, Numbers window, Numbers outputs,
                                  Numbers pooling) {
  const auto c = pooled_convolution_of(x.dimensions(), dkernel->dimensions(), window, outputs);
  const auto p = pooling_after(c, dy.dimensions(), pooling);
  if (!p || !compiled_for(*c, *p) || !same_shape(dy, place) || dbias->dimensions()[0] != c->filters)
    return wrong("the shapes of a pooled convolution's kernel's gradient do not fit together");
  return finished(kernels().pooled_kernel_gradient(Resources{pool}.call(), *c, *p, x.typed_data(), dy.typed_data(),
                                                   place.typed_data(), to(dkernel), to(dbias)));
}

std::optional<Pooling> pooling_alone(ffi::Span<const int64_t> x, ffi::Span<const int64_t> y, Numbers pool) {
  if (x.size() != 4) return {};
  for (size_t i = 0; i < 4; i++)
    if (x[i] < 1) return {};
  if (x[0] >= kMostElements || x[1] * x[2] >= kMostElements / x[3]) return {};
  return pooling_of(int(x[0]), int(x[3]), int(x[1]), int(x[2]), y, pool);
}

ffi::Error max_pooling(ffi::ThreadPool pool, Pictures x, PicturesOut y, PlacesOut place,
                       Numbers pooling) {
  const auto p = pooling_alone(x.dimensions(), y->dimensions(), pooling);
  if (!p || !same_shape(*y, *place)) return wrong("the shapes of a max-pooling do not fit together");
  return finished(kernels().max_pooling(Resources{pool}.call(), *p, x.typed_data(), to(y),
                                        to(place)));
}

ffi::Error max_pooling_gradient(ffi::ThreadPool pool, Pictures dy, Places place,
                                PicturesOut dx, Numbers pooling) {
  const auto p = pooling_alone(dx->dimensions(), dy.dimensions(), pooling);
  if (!p || !same_shape(dy, place)) return wrong("the shapes of a max-pooling's gradient do not fit together");
  return finished(kernels().max_pooling_gradient(Resources{pool}.call(), *p, dy.typed_data(), place.typed_data(),
                                                 to(dx)));
}

// `mode` holds whether to interpolate, and the number of the fill mode.
std::optional<Warp> warp_of(ffi::Span<const int64_t> x, ffi::Span<const int64_t> matrices,
                            ffi::Span<const int64_t> levels, ffi::Span<const int64_t> y, Numbers mode) {
  if (mode.size() != 2 || mode[0] < 0 || mode[0] > 1 || mode[1] < 0 || mode[1] > int(Fill::kWrap)) return {};
  if (x.size() != 4 || y.size() != 4 || !std::equal(x.begin(), x.end(), y.begin())) return {};
  for (size_t i = 0; i < 4; i++)
    if (x[i] < 1) return {};
  if (matrices.size() != 3 || matrices[0] != x[0] || matrices[1] != 3 || matrices[2] != 3) return {};
  if (levels.size() != 2 || levels[0] != 3 || levels[1] != x[3]) return {};
  if (x[0] >= kMostElements / x[1] || x[1] > kMostSide || x[2] > kMostSide) return {};
  if ((x[1] + 2) * (x[2] + 2) >= kMostElements / 2 / x[3]) return {};  // with an edge around it
  return Warp{int(x[0]), int(x[1]), int(x[2]), int(x[3]), mode[0] == 1, Fill(mode[1])};
}

ffi::Error warp(ffi::ThreadPool pool, ffi::AnyBuffer x, Matrices matrices, Levels levels, PicturesOut y, Numbers mode) {
  const auto w = warp_of(x.dimensions(), matrices.dimensions(), levels.dimensions(), y->dimensions(), mode);
  if (!w) return wrong("the shapes of a warp do not fit together");
  Resources resources{pool};
  if (x.element_type() == ffi::U8)
    return finished(kernels().warp_bytes(resources.call(), *w, x.typed_data<uint8_t>(), matrices.typed_data(),
                                         levels.typed_data(), to(y)));
  if (x.element_type() == ffi::F32)
    return finished(kernels().warp_floats(resources.call(), *w, x.typed_data<float>(), matrices.typed_data(),
                                          levels.typed_data(), to(y)));
  return wrong("a warp takes pictures of uint8 or float32");
}

}  // namespace
}  // namespace calor

#pragma GCC visibility push(default)

#define CALOR_BIND ffi::Ffi::Bind().Ctx<ffi::ThreadPool>()
#define CALOR_POOLED Attr<Numbers>("window").Attr<Numbers>("outputs").Attr<Numbers>("pool")

namespace calor {

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    calor_convolution, convolution,
    CALOR_BIND.Arg<Pictures>().Arg<Pictures>().Arg<Vector>().Ret<Pictures>()
        .Attr<Numbers>("window").Attr<bool>("relu"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    calor_inputs_gradient, inputs_gradient,
    CALOR_BIND.Arg<Pictures>().Arg<Pictures>().Ret<Pictures>().Attr<Numbers>("window"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    calor_kernel_gradient, kernel_gradient,
    CALOR_BIND.Arg<Pictures>().Arg<Pictures>().Ret<Pictures>().Ret<Vector>().Attr<Numbers>("window"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    calor_pooled_convolution, pooled_convolution,
    CALOR_BIND.Arg<Pictures>().Arg<Pictures>().Arg<Vector>().Ret<Pictures>().Ret<Places>().CALOR_POOLED);
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    calor_pooled_inputs_gradient, pooled_inputs_gradient,
    CALOR_BIND.Arg<Pictures>().Arg<Places>().Arg<Pictures>().Ret<Pictures>().CALOR_POOLED);
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    calor_pooled_kernel_gradient, pooled_kernel_gradient,
    CALOR_BIND.Arg<Pictures>().Arg<Pictures>().Arg<Places>().Ret<Pictures>().Ret<Vector>().CALOR_POOLED);
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    calor_max_pooling, max_pooling, CALOR_BIND.Arg<Pictures>().Ret<Pictures>().Ret<Places>().Attr<Numbers>("pool"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    calor_max_pooling_gradient, max_pooling_gradient,
    CALOR_BIND.Arg<Pictures>().Arg<Places>().Ret<Pictures>().Attr<Numbers>("pool"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    calor_warp, warp,
    CALOR_BIND.Arg<ffi::AnyBuffer>().Arg<Matrices>().Arg<Levels>().Ret<Pictures>().Attr<Numbers>("mode"));

// Raised whenever the handlers' arguments change: what calls them must be of the same time.
extern "C" int calor_interface() { return 2; }
// The name of the kernels in use, and what they reach on arithmetic alone.
extern "C" const char* calor_instruction_set() { return kernels().name; }
extern "C" double calor_peak(int64_t rounds) { return kernels().peak(rounds); }

}  // namespace calor
