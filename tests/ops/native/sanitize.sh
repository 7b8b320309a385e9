#!/usr/bin/env bash
# The kernels under the compiler's sanitizers: for each, the harness, which needs no XLA, and then a library of its own
# under XLA: with "address" for all tests in this folder, with "thread" for one call of every kernel on four threads.
# For x86-64 with AVX2 and GCC; about five minutes.
#
#   tests/ops/native/sanitize.sh [address|thread]...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
source="$root/src/calor/ops/native"
python=${PYTHON:-$root/.venv/bin/python}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

[ $# -gt 0 ] || set -- address thread
runtime() { ${CXX:-g++} -print-file-name="lib$1.so"; }

for kind; do
  case $kind in
    address) flags="-fsanitize=address,undefined -fno-sanitize-recover=all" ;;
    thread) flags="-fsanitize=thread" ;;
    *) echo "unknown sanitizer $kind" >&2; exit 2 ;;
  esac
  compile() { ${CXX:-g++} -std=c++17 -O1 -g -fPIC -ffp-contract=fast -fno-math-errno $flags -I"$source" "$@"; }
  built=$folder/$kind
  mkdir "$built"
  compile -DCALOR_TARGET=avx2 -mavx2 -mfma -c "$source/kernels.cc" -o "$built/avx2.o"
  compile -DCALOR_TARGET=generic -c "$source/kernels.cc" -o "$built/generic.o"
  compile -DCALOR_HAS_AVX2 -c "$source/dispatch.cc" -o "$built/dispatch.o"
  compile "$here/harness.cc" "$built"/{avx2,generic,dispatch}.o -pthread -o "$built/harness"
  for target in generic avx2; do
    echo "$kind: harness on $target"
    CALOR_KERNELS=$target "$built/harness" 0 "${ROUNDS:-150}"
  done
  echo "$kind: under XLA"
  include=$("$python" -c "import jax.ffi; print(jax.ffi.include_dir())")
  compile -fvisibility=hidden -isystem "$include" -c "$source/handlers.cc" -o "$built/handlers.o"
  compile -shared "$built"/{avx2,generic,dispatch,handlers}.o -o "$built/libcalor.so"
  export CALOR_KERNELS_LIBRARY="$built/libcalor.so"
  cd "$root"
  if [ "$kind" = address ]; then
    # Python and XLA leave memory behind at the end, which is not what is looked for here.
    ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$(runtime asan) $(runtime stdc++)" \
      "$python" -m pytest -q -n 0 -p no:cacheprovider "$here"
  else
    # How XLA hands a task to its threads the sanitizer cannot see: what it says of that moment, and only of that, is
    # no race. A race in a kernel has its top frame in a kernel.
    printf 'race_top:%s\n' handlers.cc shared_ptr_base.h atomic_base.h tsan_new_delete.cpp >"$built/handing_over"
    TSAN_OPTIONS="ignore_noninstrumented_modules=1 suppressions=$built/handing_over" NPROC=4 \
      LD_PRELOAD="$(runtime tsan)" "$python" -W ignore -m tests.ops.native.results
  fi
done
