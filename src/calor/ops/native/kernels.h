// What the kernels are called with, and the table of them that is chosen for the processor at run time.
//
// All pictures are in the order (batch, height, width, channels) and float32, but for those that are warped, which may be
// uint8; kernels are (height, width, channels, filters).
// A table is compiled from the same source for every instruction set; see kernels.cc.
#pragma once
#include <cstddef>
#include <cstdint>

#define CALOR_INLINE __attribute__((always_inline)) inline

namespace calor {

// How windows (of a kernel or a pool) slide along one axis of a picture. The window of output o begins at element
// o * stride - low of the axis and sees every dilation-th element; what lies outside the picture is padding.
struct Axis {
  int size, taps, stride, dilation, low, outputs;

  CALOR_INLINE int reach() const { return (taps - 1) * dilation + 1; }
  // How many elements, padding included, the windows of `count` outputs side by side cover.
  CALOR_INLINE int covered(int count) const { return (count - 1) * stride + reach(); }
};

struct Convolution {
  int batch, channels, filters;
  Axis rows, columns;

  CALOR_INLINE int taps() const { return rows.taps * columns.taps; }
  CALOR_INLINE size_t picture() const { return (size_t)rows.size * columns.size * channels; }
  CALOR_INLINE size_t output() const { return (size_t)rows.outputs * columns.outputs * filters; }
};

// Windows side by side over pictures: stride = taps, no dilation. Those at the edges may lie partly outside.
struct Pooling {
  int batch, channels;
  Axis rows, columns;

  CALOR_INLINE size_t picture() const { return (size_t)rows.size * columns.size * channels; }
  CALOR_INLINE size_t output() const { return (size_t)rows.outputs * columns.outputs * channels; }
};

// In a byte for each pooled number: where in its window, row by row, the first maximum was.
constexpr uint8_t kNowhere = 255;  // nowhere: the ReLU cut it off, and no gradient passes
constexpr int kMostPlaces = 255;   // so a window has at most this many elements

// Gradients through pooling are compiled for kernels and pools of up to so many columns.
constexpr int kMostKernel = 7, kMostPool = 4;

// Pictures moved by affine maps, each by its own. What lies beyond the edges of a picture: its outermost pixels, a fill
// value, or the picture again, mirrored or not.
enum class Fill : int { kNearest, kConstant, kReflect, kWrap };

struct Warp {
  int batch, height, width, channels;
  bool bilinear;
  Fill fill;

  CALOR_INLINE size_t picture() const { return (size_t)height * width * channels; }
};

// The threads that a call may use. Tasks are numbered, and which thread takes which is left to chance: a task's
// result must depend on its number alone. `worker` is below `size` and belongs to one task at a time.
struct Team {
  using Task = void (*)(void* context, int number, int worker);
  void* self;
  int size;
  void (*run)(void* self, int tasks, Task task, void* context);

  template <class F>
  CALOR_INLINE void each(int tasks, F&& function) const {
    run(self, tasks, [](void* context, int number, int worker) { (*static_cast<F*>(context))(number, worker); },
        &function);
  }
};

// Memory that lasts as long as a call; null where there is none left.
struct Scratch {
  void* self;
  void* (*allocate)(void* self, size_t bytes);

  CALOR_INLINE float* floats(size_t count) const { return static_cast<float*>(allocate(self, count * sizeof(float))); }
};

struct Call {
  Team team;
  Scratch scratch;
};

// Every kernel returns false where there was no memory, and its results then mean nothing.
struct Kernels {
  const char* name;
  int lanes;
  bool (*convolution)(const Call&, const Convolution&, const float* x, const float* kernel, const float* bias,
                      bool relu, float* y);
  bool (*inputs_gradient)(const Call&, const Convolution&, const float* dy, const float* kernel, float* dx);
  bool (*kernel_gradient)(const Call&, const Convolution&, const float* x, const float* dy, float* dkernel,
                          float* dbias);
  bool (*pooled_convolution)(const Call&, const Convolution&, const Pooling&, const float* x, const float* kernel,
                             const float* bias, float* y, uint8_t* place);
  bool (*pooled_inputs_gradient)(const Call&, const Convolution&, const Pooling&, const float* dy,
                                 const uint8_t* place, const float* kernel, float* dx);
  bool (*pooled_kernel_gradient)(const Call&, const Convolution&, const Pooling&, const float* x, const float* dy,
                                 const uint8_t* place, float* dkernel, float* dbias);
  bool (*max_pooling)(const Call&, const Pooling&, const float* x, float* y, uint8_t* place);
  bool (*max_pooling_gradient)(const Call&, const Pooling&, const float* dy, const uint8_t* place, float* dx);
  // `levels` holds for each channel the factor of the results, what is added then, and the fill value before both.
  bool (*warp_bytes)(const Call&, const Warp&, const uint8_t* x, const float* matrices, const float* levels, float* y);
  bool (*warp_floats)(const Call&, const Warp&, const float* x, const float* matrices, const float* levels, float* y);
  double (*peak)(int64_t rounds);  // multiply-adds in registers alone: returns how many floating operations it did
};

}  // namespace calor
