#include "hf/safetensors_header.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "core/error.h"
#include "core/json.h"

namespace longhaul {
namespace {

using Json = nlohmann::json;

// Offsets are read by copying bytes, and weights are used where they lie.
static_assert(std::endian::native == std::endian::little, "safetensors is a little-endian format");

constexpr std::uint64_t kLengthBytes = 8;
// The format's own limit: no header of a real model comes near it, a damaged length does.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::uint64_t kMaxTensorBytes = std::uint64_t{1} << 62;
constexpr const char* kRemedy = "the file is damaged or incomplete: download or copy it again";

struct StoredType {
  std::string_view name;
  std::uint64_t bytes;
  std::optional<DType> dtype;
};

constexpr StoredType kStoredTypes[] = {
    {"BF16", 2, DType::bf16},     {"F16", 2, DType::f16},       {"F32", 4, DType::f32},
    {"F64", 8, DType::f64},       {"I32", 4, DType::i32},       {"I64", 8, DType::i64},
    {"U8", 1, DType::u8},         {"BOOL", 1, std::nullopt},    {"I8", 1, std::nullopt},
    {"I16", 2, std::nullopt},     {"U16", 2, std::nullopt},     {"U32", 4, std::nullopt},
    {"U64", 8, std::nullopt},     {"C64", 8, std::nullopt},     {"F8_E5M2", 1, std::nullopt},
    {"F8_E4M3", 1, std::nullopt}, {"F8_E8M0", 1, std::nullopt},
};

const StoredType* find_type(std::string_view name) {
  const auto* const found = std::ranges::find(kStoredTypes, name, &StoredType::name);
  return found == std::end(kStoredTypes) ? nullptr : found;
}

/// Parses the JSON text. Names that occur twice are refused: a JSON parser would silently keep one.
Json parse_json(std::string_view text, std::string_view source) {
  std::vector<std::set<std::string>> keys;  // of the objects around the current place
  const Json::parser_callback_t refuse_duplicates = [&](int, Json::parse_event_t event,
                                                        Json& value) {
    if (event == Json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys.back().insert(key).second) {
        user_error("{}: the name '{}' occurs twice in the header; {}", source, key, kRemedy);
      }
    }
    return true;
  };
  try {
    return longhaul::parse_json<Json>(text, refuse_duplicates);
  } catch (const Json::parse_error& error) {
    user_error("{}: the header is not valid JSON at its byte {}; {}", source, error.byte, kRemedy);
  }
}

/// A non-negative integer, or nothing.
std::optional<std::uint64_t> natural(const Json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<std::uint64_t>();
}

/// Bytes of a tensor, or nothing when they pass kMaxTensorBytes.
std::optional<std::uint64_t> tensor_bytes(const std::vector<std::int64_t>& shape,
                                          std::uint64_t element_bytes) {
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  std::uint64_t bytes = element_bytes;
  for (const std::int64_t size : shape) {
    if (bytes > kMaxTensorBytes / static_cast<std::uint64_t>(size)) return std::nullopt;
    bytes *= static_cast<std::uint64_t>(size);
  }
  return bytes;
}

SafetensorsEntry parse_entry(const std::string& name, const Json& value, std::uint64_t data_bytes,
                             std::string_view source) {
  const auto refuse = [&](std::string_view what) {
    user_error("{}: tensor '{}': {}; {}", source, name, what, kRemedy);
  };
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets") || !value["dtype"].is_string() ||
      !value["shape"].is_array() || !value["data_offsets"].is_array() ||
      value["data_offsets"].size() != 2) {
    refuse("its header entry must have a dtype, a shape and two data_offsets");
  }
  SafetensorsEntry entry;
  entry.stored_dtype = value["dtype"].get<std::string>();
  const StoredType* const type = find_type(entry.stored_dtype);
  if (type == nullptr) {
    user_error("{}: tensor '{}' has the unknown dtype '{}'; weights must be BF16, F16 or F32",
               source, name, entry.stored_dtype);
  }
  entry.dtype = type->dtype;
  for (const Json& size : value["shape"]) {
    const auto number = natural(size);
    if (!number || *number > kMaxTensorBytes) refuse("a size in its shape is no sensible integer");
    entry.shape.push_back(static_cast<std::int64_t>(*number));
  }
  const auto begin = natural(value["data_offsets"][0]);
  const auto end = natural(value["data_offsets"][1]);
  if (!begin || !end || *begin > *end) {
    refuse(fmt::format("its data_offsets {} are no range", dump_json(value["data_offsets"])));
  }
  if (*end > data_bytes) {
    refuse(fmt::format("its data ends at byte {} but the file holds {} bytes of data", *end,
                       data_bytes));
  }
  const auto expected = tensor_bytes(entry.shape, type->bytes);
  if (!expected || *end - *begin != *expected) {
    refuse(fmt::format("shape [{}] of {} needs {} bytes, but its data_offsets span {}",
                       fmt::join(entry.shape, ", "), entry.stored_dtype,
                       expected ? std::to_string(*expected) : "too many", *end - *begin));
  }
  entry.begin = *begin;
  entry.end = *end;
  return entry;
}

/// The data of all tensors must follow each other without overlap, gap or rest.
void check_coverage(const SafetensorsHeader& header, std::uint64_t data_bytes,
                    std::string_view source) {
  std::vector<std::pair<const std::string*, const SafetensorsEntry*>> in_order;
  for (const auto& [name, entry] : header.tensors) in_order.emplace_back(&name, &entry);
  std::ranges::sort(in_order, [](const auto& a, const auto& b) {
    return std::pair(a.second->begin, a.second->end) < std::pair(b.second->begin, b.second->end);
  });
  std::uint64_t covered = 0;
  const std::string* previous = nullptr;
  for (const auto& [name, entry] : in_order) {
    if (entry->begin < covered) {
      user_error("{}: the data of tensors '{}' and '{}' overlap; {}", source, *previous, *name,
                 kRemedy);
    }
    if (entry->begin > covered) {
      user_error("{}: bytes {} to {} of the data, before tensor '{}', belong to no tensor; {}",
                 source, covered, entry->begin, *name, kRemedy);
    }
    covered = entry->end;
    previous = name;
  }
  if (covered != data_bytes) {
    user_error("{}: the header describes {} bytes of data, but the file holds {}; {}", source,
               covered, data_bytes, kRemedy);
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           std::string_view source) {
  if (file.size() < kLengthBytes) {
    user_error("{}: has {} bytes, too few for a safetensors file; {}", source, file.size(),
               kRemedy);
  }
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), kLengthBytes);
  if (header_bytes > kMaxHeaderBytes) {
    user_error("{}: is not a safetensors file, or its header length {} is damaged (limit {})",
               source, header_bytes, kMaxHeaderBytes);
  }
  if (header_bytes > file.size() - kLengthBytes) {
    user_error("{}: has {} bytes, but its header alone needs {}; {}", source, file.size(),
               kLengthBytes + header_bytes, kRemedy);
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes,
                              header_bytes);
  if (text.empty() || text.front() != '{') {
    user_error("{}: is not a safetensors file (its header must begin with '{{')", source);
  }
  const Json json = parse_json(text, source);
  SafetensorsHeader header;
  header.data_offset = kLengthBytes + header_bytes;
  const std::uint64_t data_bytes = file.size() - header.data_offset;
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, text_value] : value.items()) {
        if (text_value.is_string()) header.metadata[key] = text_value.get<std::string>();
      }
      continue;
    }
    header.tensors.emplace(name, parse_entry(name, value, data_bytes, source));
  }
  check_coverage(header, data_bytes, source);
  return header;
}

std::string_view safetensors_name(DType dtype) {
  for (const StoredType& type : kStoredTypes) {
    if (type.dtype == dtype) return type.name;
  }
  LONGHAUL_CHECK(false, "dtype {}", name_of(dtype));
}

}  // namespace longhaul
