#!/usr/bin/env bash
# The kernels for Arm (NEON) without an Arm processor: cross-compiled, run under emulation, and compared with this
# machine's by the harness' checksum. Needs a cross compiler and qemu's user mode (Debian: g++-aarch64-linux-gnu and
# qemu-user); about a minute.
#
#   tests/ops/native/emulate_arm.sh [ROUNDS]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../../../src/calor/ops/native" && pwd)
rounds=${1:-100}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# build COMPILER NAME FLAGS...: a harness with the kernels of that name, and the plain ones
build() {
  local compiler=$1 name=$2; shift 2
  local flags="-std=c++17 -O3 -ffp-contract=fast -fno-math-errno -I$source"
  $compiler $flags "$@" -DCALOR_TARGET="$name" -c "$source/kernels.cc" -o "$folder/$name.o"
  $compiler $flags -DCALOR_TARGET=generic -c "$source/kernels.cc" -o "$folder/plain.o"
  $compiler $flags -DCALOR_HAS_"${name^^}" -c "$source/dispatch.cc" -o "$folder/dispatch.o"
  $compiler $flags "$here/harness.cc" "$folder"/{"$name",plain,dispatch}.o -static -pthread -o "$folder/$name"
}
build "${CXX:-g++}" avx2 -mavx2 -mfma
build "${CROSS_CXX:-aarch64-linux-gnu-g++}" neon

here_says=$("$folder/avx2" 1 "$rounds")
arm_says=$(qemu-aarch64 "$folder/neon" 1 "$rounds")
printf '%s\n%s\n' "$here_says" "$arm_says"
[ "${here_says#*: }" = "${arm_says#*: }" ]
