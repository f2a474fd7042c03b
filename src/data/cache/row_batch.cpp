#include "data/cache/row_batch.h"

#include <cstring>
#include <variant>

#include "core/error.h"

namespace longhaul {
namespace {

template <typename T>
void put(T value, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename Container>
void put_all(const Container& values, std::string& bytes) {
  put(static_cast<std::int64_t>(values.size()), bytes);
  if (!values.empty()) {
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  }
}

/// Reads what put() and put_all() wrote, in the same order.
class Taker {
 public:
  explicit Taker(std::string_view& bytes) : bytes_(bytes) {}

  template <typename T>
  T take() {
    T value;
    copy(&value, sizeof value);
    return value;
  }
  template <typename Container>
  Container take_all() {
    Container values;
    values.resize(static_cast<std::size_t>(take<std::int64_t>()));
    copy(values.data(), values.size() * sizeof(values[0]));
    return values;
  }

 private:
  void copy(void* to, std::size_t count) {
    LONGHAUL_CHECK(count <= bytes_.size(), "{} bytes wanted, {} left", count, bytes_.size());
    if (count > 0) std::memcpy(to, bytes_.data(), count);
    bytes_.remove_prefix(count);
  }

  std::string_view& bytes_;
};

bool has_loss(const std::vector<float>& weights) {
  for (std::size_t i = 1; i < weights.size(); ++i) {
    if (weights[i] != 0.0F) return true;
  }
  return false;
}

}  // namespace

SampleEncoder make_sample_encoder(const RowEncoder& encoder) {
  return {[&encoder](const Row& row, RowEncoder::Scratch& scratch) {
            return encoder.encode(row, scratch);
          },
          encoder.fingerprint(), encoder.row_form()};
}

RowBatch encode_block(const DataFile& file, const RowBlock& block, std::int64_t line_ends_before,
                      const SampleEncoder& encoder, RowEncoder::Scratch& scratch) {
  RowBatch batch;
  const std::string name = file.path.string();
  for_each_line(file, block, line_ends_before, [&](const LineReader::Line& line) {
    auto parsed = parse_line(line, name, encoder.form);
    if (auto* rejected = std::get_if<RejectedRow>(&parsed)) {
      batch.rejections.push_back(
          {block.file, line.number, -1, std::move(rejected->id), std::move(rejected->reason)});
      return;
    }
    Row& row = std::get<Row>(parsed);
    EncodedSample sample;
    try {
      sample = encoder.encode(row, scratch);
    } catch (const RowError& error) {
      batch.rejections.push_back({block.file, line.number, -1, std::move(row.id), error.what()});
      return;
    }
    LONGHAUL_CHECK(sample.tokens.size() == sample.weights.size(), "{} tokens, {} weights",
                   sample.tokens.size(), sample.weights.size());
    const auto length = static_cast<std::int64_t>(sample.tokens.size());
    if (!has_loss(sample.weights)) {
      batch.rejections.push_back(
          {block.file, line.number, length, std::move(row.id), "no trained tokens"});
      return;
    }
    batch.samples.push_back({block.file, line.number, std::move(row.id), std::move(sample.tokens),
                             compress_weights(sample.weights), std::move(sample.note)});
  });
  return batch;
}

void append_bytes(const RowBatch& batch, std::string& bytes) {
  put(static_cast<std::int64_t>(batch.samples.size()), bytes);
  for (const CachedSample& sample : batch.samples) {
    put(sample.file, bytes);
    put(sample.line, bytes);
    put_all(sample.id, bytes);
    put_all(sample.tokens, bytes);
    put_all(sample.weights.lengths, bytes);
    put_all(sample.weights.weights, bytes);
    put_all(sample.note, bytes);
  }
  put(static_cast<std::int64_t>(batch.rejections.size()), bytes);
  for (const CachedRejection& rejection : batch.rejections) {
    put(rejection.file, bytes);
    put(rejection.line, bytes);
    put(rejection.length, bytes);
    put_all(rejection.id, bytes);
    put_all(rejection.reason, bytes);
  }
}

RowBatch take_batch(std::string_view& bytes) {
  Taker taker(bytes);
  RowBatch batch;
  batch.samples.resize(static_cast<std::size_t>(taker.take<std::int64_t>()));
  for (CachedSample& sample : batch.samples) {
    sample.file = taker.take<std::int32_t>();
    sample.line = taker.take<std::int64_t>();
    sample.id = taker.take_all<std::string>();
    sample.tokens = taker.take_all<std::vector<std::int32_t>>();
    sample.weights.lengths = taker.take_all<std::vector<std::int32_t>>();
    sample.weights.weights = taker.take_all<std::vector<float>>();
    sample.note = taker.take_all<std::string>();
  }
  batch.rejections.resize(static_cast<std::size_t>(taker.take<std::int64_t>()));
  for (CachedRejection& rejection : batch.rejections) {
    rejection.file = taker.take<std::int32_t>();
    rejection.line = taker.take<std::int64_t>();
    rejection.length = taker.take<std::int64_t>();
    rejection.id = taker.take_all<std::string>();
    rejection.reason = taker.take_all<std::string>();
  }
  return batch;
}

}  // namespace longhaul
