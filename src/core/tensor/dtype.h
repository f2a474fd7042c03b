#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace longhaul {

/// Element types of tensors in memory, in checkpoints and in safetensors files.
enum class DType : std::uint8_t { f32, bf16, f16, i32, i64, u8, f64 };

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::bf16:
    case DType::f16:
      return 2;
    case DType::u8:
      return 1;
  }
  return 0;
}

/// The name used in logs and in checkpoints: "float32", "bfloat16", ...
constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "float32";
    case DType::bf16:
      return "bfloat16";
    case DType::f16:
      return "float16";
    case DType::i32:
      return "int32";
    case DType::i64:
      return "int64";
    case DType::u8:
      return "uint8";
    case DType::f64:
      return "float64";
  }
  return "?";
}

}  // namespace longhaul
