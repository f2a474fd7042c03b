#pragma once

#include <cstdint>
#include <string_view>

#include "core/tensor/dtype.h"

namespace longhaul {

/// Converts `count` floating-point values between f32, bf16 and f16; equal types are copied bit for
/// bit. Narrowing rounds to nearest, ties to even. Neither pointer needs any alignment (safetensors
/// promises none); source and target must not overlap.
void convert_values(const void* source, DType source_dtype, void* target, DType target_dtype,
                    std::int64_t count);

/// Is it one of f32, bf16, f16?
constexpr bool is_weight_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::bf16:
    case DType::f16:
      return true;
    case DType::i32:
    case DType::i64:
    case DType::u8:
    case DType::f64:
      break;
  }
  return false;
}

/// "bfloat16", "float32" or "float16". Throws UserError naming `flag` for anything else.
DType parse_weight_dtype(std::string_view text, std::string_view flag);

}  // namespace longhaul
