#include "compute/cuda/gemm/gemm_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/json.h"

namespace longhaul {
namespace {

constexpr std::string_view kFormat = "longhaul gemm algorithms 2";
constexpr std::size_t kWordDigits = 16;

std::string_view name_of(GemmKind kind) {
  switch (kind) {
    case GemmKind::forward:
      return "forward";
    case GemmKind::backward_input:
      return "backward_input";
    case GemmKind::backward_weight:
      return "backward_weight";
  }
  return "?";
}

std::string_view name_of(GemmAddend addend) {
  switch (addend) {
    case GemmAddend::none:
      return "none";
    case GemmAddend::in_place:
      return "in_place";
    case GemmAddend::separate:
      return "separate";
  }
  return "?";
}

std::string to_hex(const std::array<std::uint64_t, 8>& words) {
  std::string text;
  for (const std::uint64_t word : words) text += fmt::format("{:016x}", word);
  return text;
}

std::optional<std::array<std::uint64_t, 8>> from_hex(std::string_view text) {
  std::array<std::uint64_t, 8> words{};
  if (text.size() != words.size() * kWordDigits) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    std::uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint64_t>(c - 'a') + 10;
    } else {
      return std::nullopt;
    }
    std::uint64_t& word = words[i / kWordDigits];
    word = word << 4U | digit;
  }
  return words;
}

/// One line of the file.
struct Line {
  std::string device;
  std::size_t library_version = 0;
  std::string gemm;
  GemmAlgorithm algorithm;
};

std::string print(const Line& line) {
  nlohmann::ordered_json json;
  json["device"] = line.device;
  json["cublaslt"] = line.library_version;
  json["gemm"] = line.gemm;
  json["algorithm"] = to_hex(line.algorithm.data);
  json["tflops"] = line.algorithm.tflops;
  json["first_tflops"] = line.algorithm.first_tflops;
  // A device's name is the driver's; whatever bytes it holds, a line can be printed.
  return dump_json(json, -1, InvalidUtf8::replace);
}

std::optional<Line> parse(std::string_view text) {
  const nlohmann::json json = parse_json_or_discard<nlohmann::json>(text);
  if (!json.is_object()) return std::nullopt;
  const auto field = [&](const char* name) -> const nlohmann::json& {
    static const nlohmann::json kMissing;
    const auto found = json.find(name);
    return found == json.end() ? kMissing : *found;
  };
  if (!field("device").is_string() || !field("cublaslt").is_number_unsigned() ||
      !field("gemm").is_string() || !field("algorithm").is_string() ||
      !field("tflops").is_number() || !field("first_tflops").is_number()) {
    return std::nullopt;
  }
  const auto data = from_hex(field("algorithm").get_ref<const std::string&>());
  if (!data.has_value()) return std::nullopt;
  Line line;
  line.device = field("device").get<std::string>();
  line.library_version = field("cublaslt").get<std::size_t>();
  line.gemm = field("gemm").get<std::string>();
  line.algorithm.data = *data;
  line.algorithm.tflops = field("tflops").get<double>();
  line.algorithm.first_tflops = field("first_tflops").get<double>();
  return line;
}

/// The lines that can be understood; none when there is no file or it is of another format.
std::vector<Line> read_lines(const std::filesystem::path& file) {
  std::vector<Line> lines;
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return lines;
  const std::string content = read_text_file(file);
  bool first = true;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view text = std::string_view(content).substr(begin, end - begin);
    begin = end + 1;
    if (first) {
      const nlohmann::json head = parse_json_or_discard<nlohmann::json>(text);
      if (!head.is_object() || head.value("format", nlohmann::json()) != kFormat) return lines;
      first = false;
      continue;
    }
    if (auto line = parse(text)) lines.push_back(*std::move(line));
  }
  return lines;
}

}  // namespace

std::string GemmKey::text() const {
  return fmt::format("{} t{} n{} k{} strides {},{},{},{} alignments {},{},{},{} addend {} bias {}",
                     name_of(kind), tokens, outputs, inputs, strides[0], strides[1], strides[2],
                     strides[3], alignments[0], alignments[1], alignments[2], alignments[3],
                     name_of(addend), bias_alignment);
}

std::size_t GemmKeyHash::operator()(const GemmKey& key) const noexcept {
  std::uint64_t hash = 0;
  const auto mix = [&](std::uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL;  // 2^64 / golden ratio: spreads neighbours
    hash ^= hash >> 32U;
  };
  const auto mix_signed = [&](std::int64_t value) { mix(static_cast<std::uint64_t>(value)); };
  mix(static_cast<std::uint64_t>(key.kind) << 8U | static_cast<std::uint64_t>(key.addend));
  mix_signed(key.tokens);
  mix_signed(key.outputs);
  mix_signed(key.inputs);
  for (const std::int64_t stride : key.strides) mix_signed(stride);
  for (const std::int32_t alignment : key.alignments) mix_signed(alignment);
  mix_signed(key.bias_alignment);
  return hash;
}

std::int64_t token_bucket(std::int64_t tokens) {
  if (tokens <= 16) return tokens;
  const int exponent = std::bit_width(static_cast<std::uint64_t>(tokens)) - 1;
  const std::int64_t step = std::int64_t{1} << (exponent - 3);
  return (tokens + step - 1) / step * step;
}

GemmCache::GemmCache(std::string device, std::size_t library_version)
    : device_(std::move(device)), library_version_(library_version) {}

const GemmAlgorithm* GemmCache::find(const GemmKey& key) const {
  const auto found = algorithms_.find(key.text());
  return found == algorithms_.end() ? nullptr : &found->second;
}

void GemmCache::insert(const GemmKey& key, const GemmAlgorithm& algorithm) {
  algorithms_.insert_or_assign(key.text(), algorithm);
  changed_ = true;
}

std::size_t GemmCache::load(const std::filesystem::path& file) {
  std::size_t count = 0;
  for (Line& line : read_lines(file)) {
    if (line.device != device_ || line.library_version != library_version_) continue;
    algorithms_.try_emplace(std::move(line.gemm), line.algorithm);
    ++count;
  }
  return count;
}

void GemmCache::save(const std::filesystem::path& file) {
  nlohmann::ordered_json head;
  head["format"] = kFormat;
  std::string content = dump_json(head) + "\n";
  for (const Line& line : read_lines(file)) {
    const bool ours = line.device == device_ && line.library_version == library_version_;
    if (!ours || !algorithms_.contains(line.gemm)) content += print(line) + "\n";
  }
  for (const auto& [gemm, algorithm] : algorithms_) {
    content += print({device_, library_version_, gemm, algorithm}) + "\n";
  }
  std::error_code none;  // what is wrong shows when the file is written
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), none);
  replace_text_file(file, content);
  changed_ = false;
}

}  // namespace longhaul
