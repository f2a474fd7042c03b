#include "core/tensor/convert.h"

#include <cstring>

#include "core/error.h"
#include "core/tensor/float_formats.h"

namespace longhaul {
namespace {

/// Unaligned loads and stores of element i; compilers turn them into plain vector moves.
template <typename T>
T load(const std::byte* data, std::int64_t i) {
  T value;
  std::memcpy(&value, data + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}
template <typename T>
void store(std::byte* data, std::int64_t i, T value) {
  std::memcpy(data + i * static_cast<std::int64_t>(sizeof(T)), &value, sizeof(T));
}

template <DType kFrom>
float widen(const std::byte* data, std::int64_t i) {
  if constexpr (kFrom == DType::f32) return load<float>(data, i);
  if constexpr (kFrom == DType::bf16) return bf16_to_f32(load<std::uint16_t>(data, i));
  if constexpr (kFrom == DType::f16) return f16_to_f32(load<std::uint16_t>(data, i));
}

template <DType kTo>
void narrow(std::byte* data, std::int64_t i, float value) {
  if constexpr (kTo == DType::f32) store(data, i, value);
  if constexpr (kTo == DType::bf16) store(data, i, f32_to_bf16(value));
  if constexpr (kTo == DType::f16) store(data, i, f32_to_f16(value));
}

template <DType kFrom, DType kTo>
void convert(const std::byte* source, std::byte* target, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) narrow<kTo>(target, i, widen<kFrom>(source, i));
}

template <DType kFrom>
void convert_from(const std::byte* source, std::byte* target, DType target_dtype,
                  std::int64_t count) {
  switch (target_dtype) {
    case DType::f32:
      return convert<kFrom, DType::f32>(source, target, count);
    case DType::bf16:
      return convert<kFrom, DType::bf16>(source, target, count);
    case DType::f16:
      return convert<kFrom, DType::f16>(source, target, count);
    case DType::i32:
    case DType::i64:
    case DType::u8:
    case DType::f64:
      break;  // refused by convert_values()
  }
}

}  // namespace

void convert_values(const void* source, DType source_dtype, void* target, DType target_dtype,
                    std::int64_t count) {
  if (count == 0) return;
  if (source_dtype == target_dtype) {
    std::memcpy(target, source, static_cast<std::size_t>(count) * size_of(source_dtype));
    return;
  }
  LONGHAUL_CHECK(is_weight_dtype(source_dtype) && is_weight_dtype(target_dtype), "{} to {}",
                 name_of(source_dtype), name_of(target_dtype));
  const auto* const from = static_cast<const std::byte*>(source);
  auto* const to = static_cast<std::byte*>(target);
  switch (source_dtype) {
    case DType::f32:
      return convert_from<DType::f32>(from, to, target_dtype, count);
    case DType::bf16:
      return convert_from<DType::bf16>(from, to, target_dtype, count);
    case DType::f16:
      return convert_from<DType::f16>(from, to, target_dtype, count);
    case DType::i32:
    case DType::i64:
    case DType::u8:
    case DType::f64:
      break;  // refused above
  }
}

DType parse_weight_dtype(std::string_view text, std::string_view flag) {
  for (const DType dtype : {DType::bf16, DType::f32, DType::f16}) {
    if (text == name_of(dtype)) return dtype;
  }
  user_error("{}: '{}' is no dtype for weights; choose bfloat16, float32 or float16", flag, text);
}

}  // namespace longhaul
