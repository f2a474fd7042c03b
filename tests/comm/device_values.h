// Values of any dtype on the host and on the GPU, for tests of collectives.
#pragma once

#include <cuda_runtime_api.h>

#include <cstring>
#include <functional>
#include <vector>

#include "core/cuda_check.h"
#include "core/stream.h"
#include "core/tensor/dtype.h"
#include "core/tensor/float_formats.h"

namespace longhaul::test {

using Bytes = std::vector<std::byte>;

template <typename T>
void append(Bytes* bytes, T value) {
  const std::size_t end = bytes->size();
  bytes->resize(end + sizeof(T));
  std::memcpy(bytes->data() + end, &value, sizeof(T));
}

/// value(0), ..., value(count - 1) as elements of `dtype`. Values are small integers, so that every
/// dtype holds them and their sums exactly.
inline Bytes make_values(std::int64_t count, DType dtype,
                         const std::function<int(std::int64_t)>& value) {
  Bytes bytes;
  bytes.reserve(static_cast<std::size_t>(count) * size_of(dtype));
  for (std::int64_t i = 0; i < count; ++i) {
    const int v = value(i);
    switch (dtype) {
      case DType::f32:
        append(&bytes, static_cast<float>(v));
        break;
      case DType::f64:
        append(&bytes, static_cast<double>(v));
        break;
      case DType::bf16:
        append(&bytes, f32_to_bf16(static_cast<float>(v)));
        break;
      case DType::f16:
        append(&bytes, f32_to_f16(static_cast<float>(v)));
        break;
      case DType::i32:
        append(&bytes, static_cast<std::int32_t>(v));
        break;
      case DType::i64:
        append(&bytes, static_cast<std::int64_t>(v));
        break;
      case DType::u8:
        append(&bytes, static_cast<std::uint8_t>(v));
        break;
    }
  }
  return bytes;
}

/// Device memory whose elements start `shift` bytes behind an aligned address.
class DeviceBytes {
 public:
  explicit DeviceBytes(std::size_t bytes, std::size_t shift = 0) : bytes_(bytes), shift_(shift) {
    LONGHAUL_CUDA_CHECK(cudaMalloc(&data_, bytes + shift), "cudaMalloc");
    LONGHAUL_CUDA_CHECK(cudaMemset(data_, 0x5a, bytes + shift), "cudaMemset");
    LONGHAUL_CUDA_CHECK(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  explicit DeviceBytes(const Bytes& values, std::size_t shift = 0)
      : DeviceBytes(values.size(), shift) {
    set(0, values);
  }
  ~DeviceBytes() { cudaFree(data_); }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_) + shift_; }
  void set(std::size_t offset, const Bytes& values) {
    LONGHAUL_CUDA_CHECK(
        cudaMemcpy(data() + offset, values.data(), values.size(), cudaMemcpyHostToDevice),
        "cudaMemcpy");
    LONGHAUL_CUDA_CHECK(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  /// Waits for `stream` first.
  [[nodiscard]] Bytes get(Stream stream, std::size_t offset, std::size_t bytes) const {
    LONGHAUL_CUDA_CHECK(cudaStreamSynchronize(static_cast<cudaStream_t>(stream.handle)),
                        "cudaStreamSynchronize");
    Bytes values(bytes);
    LONGHAUL_CUDA_CHECK(cudaMemcpy(values.data(), data() + offset, bytes, cudaMemcpyDeviceToHost),
                        "cudaMemcpy");
    return values;
  }
  [[nodiscard]] Bytes get(Stream stream) const { return get(stream, 0, bytes_); }

 private:
  void* data_ = nullptr;
  std::size_t bytes_;
  std::size_t shift_;
};

}  // namespace longhaul::test
