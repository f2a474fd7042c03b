// longhaul data encode | decode | render: JSON lines in, one JSON line out for each, with a model's
// tokenizer and chat template.
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <memory>

#include "app/data/data_actions.h"
#include "app/data/data_row_form.h"
#include "app/flags/options.h"
#include "app/standard_output.h"
#include "core/error.h"
#include "data/json/json_parse.h"
#include "data/json/json_print.h"
#include "data/rows/row_parse.h"
#include "data/rows/row_reader.h"
#include "data/template/encoding_settings.h"
#include "data/template/row_encoder.h"
#include "data/text/utf8.h"

namespace longhaul {
namespace {

/// What is wrong with one line; the other lines go on.
class LineError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct LineOptions {
  std::string model;
  std::string input = "-";
};

void append_number(std::string& out, std::int32_t value) {
  std::array<char, 12> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), result.ptr);
}

void append_ids(std::string& out, const std::vector<std::int32_t>& ids) {
  out += '[';
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i != 0) out += ", ";
    append_number(out, ids[i]);
  }
  out += ']';
}

void append_weights(std::string& out, const std::vector<float>& weights) {
  out += '[';
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (i != 0) out += ", ";
    out += weights[i] == 0.0F ? "0" : weights[i] == 1.0F ? "1" : fmt::format("{}", weights[i]);
  }
  out += ']';
}

JsonValue parse_object(std::string_view text) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos) {
    throw LineError(fmt::format("not UTF-8 (byte {} of the line)", bad + 1));
  }
  try {
    JsonValue value = parse_json(text);
    if (!value.is_object()) {
      throw LineError(fmt::format("the line is {}, not an object", describe(value.kind())));
    }
    return value;
  } catch (const JsonError& error) {
    throw LineError(fmt::format("not JSON: {}", error.what()));
  }
}

/// Turns one input line into one output line (without its end). Throws LineError.
class LineWorker {
 public:
  LineWorker() = default;
  virtual ~LineWorker() = default;
  LineWorker(const LineWorker&) = delete;
  LineWorker& operator=(const LineWorker&) = delete;
  virtual void run(const LineReader::Line& line, std::string& out) = 0;
};

/// {"text"} -> {"ids"}
class Encoder final : public LineWorker {
 public:
  explicit Encoder(const std::filesystem::path& model) : tokenizer_(Tokenizer::load(model)) {}

  void run(const LineReader::Line& line, std::string& out) override {
    const JsonValue value = parse_object(line.text);
    const JsonValue& text = value.get("text");
    if (!text.is_string()) {
      throw LineError(fmt::format("\"text\" is {}; a string is expected", describe(text.kind())));
    }
    ids_.clear();
    tokenizer_.encode(text.text(), scratch_, ids_);
    out += "{\"ids\": ";
    append_ids(out, ids_);
    out += '}';
  }

 private:
  Tokenizer tokenizer_;
  TokenizerScratch scratch_;
  std::vector<std::int32_t> ids_;
};

/// {"ids", "skip_special_tokens"} -> {"text"}
class Decoder final : public LineWorker {
 public:
  explicit Decoder(const std::filesystem::path& model) : tokenizer_(Tokenizer::load(model)) {}

  void run(const LineReader::Line& line, std::string& out) override {
    const JsonValue value = parse_object(line.text);
    const JsonValue& ids = value.get("ids");
    if (!ids.is_array()) {
      throw LineError(fmt::format("\"ids\" is {}; a list is expected", describe(ids.kind())));
    }
    const JsonValue& skip = value.get("skip_special_tokens");
    if (!skip.is_absent() && !skip.is_boolean()) {
      throw LineError("\"skip_special_tokens\" must be true or false");
    }
    ids_.clear();
    for (const JsonValue& id : ids.array()) {
      const double number = id.kind() == JsonValue::Kind::integer ? id.number() : -1.0;
      if (number < 0 || number > 4294967295.0) {
        throw LineError("\"ids\" has an entry that is not an integer from 0 to 4294967295");
      }
      ids_.push_back(number < tokenizer_.size() ? static_cast<std::int32_t>(number) : -1);
    }
    out += "{\"text\": ";
    append_json_string(
        out, tokenizer_.decode(ids_, skip.truthy() ? SpecialTokens::skip : SpecialTokens::keep));
    out += '}';
  }

 private:
  Tokenizer tokenizer_;
  std::vector<std::int32_t> ids_;
};

/// A row -> {"id", "text", "ids", "weights"} or {"id", "error"}
class Renderer final : public LineWorker {
 public:
  Renderer(RowEncoder encoder, RowFormChoice form, std::string name)
      : encoder_(std::move(encoder)), form_(form), name_(std::move(name)) {}

  void run(const LineReader::Line& line, std::string& out) override {
    std::string id = fmt::format("{}:{}", name_, line.number);
    try {
      JsonValue value = parse_object(line.text);
      if (const std::string given = row_id(value); !given.empty()) id = given;
      const RowForm form = row_form(form_, value, encoder_.row_form());
      const Row row = parse_row(std::move(value), form);
      const RenderedRow rendered = encoder_.render(row);
      const EncodedSample sample = encoder_.encode(rendered, scratch_);
      start(out, id);
      out += "\"text\": ";
      append_json_string(out, rendered.text);
      out += ", \"ids\": ";
      append_ids(out, sample.tokens);
      out += ", \"weights\": ";
      append_weights(out, sample.weights);
      out += '}';
    } catch (const RowError& error) {
      fail(out, id, error.what(), line.number);
    } catch (const LineError& error) {
      fail(out, id, error.what(), line.number);
    }
  }

 private:
  static void start(std::string& out, const std::string& id) {
    out += "{\"id\": ";
    append_json_string(out, id);
    out += ", ";
  }
  static void fail(std::string& out, const std::string& id, const char* what, std::int64_t line) {
    start(out, id);
    out += "\"error\": ";
    append_json_string(out, what);
    out += fmt::format(", \"line\": {}}}", line);
  }

  RowEncoder encoder_;
  RowEncoder::Scratch scratch_;
  RowFormChoice form_;
  std::string name_;
};

/// LineReader::next; what the lines before a damaged place gave is written before its error.
bool next_line(LineReader& lines, LineReader::Line& line, std::string& out) {
  try {
    return lines.next(line);
  } catch (const UserError&) {
    write_output(out);
    throw;
  }
}

/// from_stdin: the lines come from std::cin.
void process(bool from_stdin, LineReader& lines, LineWorker& worker) {
  constexpr std::size_t kFlushBytes = 1 << 18;
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  std::string out;
  LineReader::Line line;
  while (next_line(lines, line, out)) {
    try {
      worker.run(line, out);
    } catch (const LineError& error) {
      out += "{\"error\": ";
      append_json_string(out, error.what());
      out += fmt::format(", \"line\": {}}}", line.number);
    }
    out += '\n';
    // Nothing is held back when the next read may have to wait: someone may be waiting for us.
    const bool may_wait = from_stdin && std::cin.rdbuf()->in_avail() <= 0;
    if (terminal || may_wait || out.size() >= kFlushBytes) write_output(out);
  }
  write_output(out);
}

OptionTable line_table(LineOptions& options, const char* model_text) {
  OptionTable table;
  OptionGroup group(table, "Data");
  group.add("model", &options.model, "DIR", model_text).required();
  group.add("input", &options.input, "FILE",
            "JSON lines, also packed with gzip or zstd; - is standard input");
  return table;
}

/// Opens the input, then makes the worker with the input's name, then goes through the lines.
template <typename MakeWorker>
int run_lines(const LineOptions& options, const MakeWorker& make_worker) {
  const bool from_stdin = options.input == "-";
  std::ios::sync_with_stdio(false);  // lets std::cin buffer
  std::unique_ptr<LineReader> lines =
      from_stdin ? std::make_unique<LineReader>(std::cin, "stdin")
                 : std::make_unique<LineReader>(std::filesystem::path(options.input));
  const std::unique_ptr<LineWorker> worker = make_worker(*lines);
  process(from_stdin, *lines, *worker);
  return kExitSuccess;
}

constexpr const char* kBadLines =
    "A line that cannot be used gives {\"error\"} with its number and the next one follows.";

}  // namespace

int run_data_encode(int argc, char** argv) {
  LineOptions options;
  OptionParser parser(
      "data encode --model DIR [--input FILE]",
      fmt::format("Reads JSON lines {{\"text\"}} and writes {{\"ids\"}}, the tokens of "
                  "the text.\n{}",
                  kBadLines),
      line_table(options, "directory with tokenizer.json"));
  if (!parser.parse(argc, argv)) return kExitSuccess;
  return run_lines(options, [&](const LineReader& /*lines*/) {
    return std::make_unique<Encoder>(options.model);
  });
}

int run_data_decode(int argc, char** argv) {
  LineOptions options;
  OptionParser parser(
      "data decode --model DIR [--input FILE]",
      fmt::format("Reads JSON lines {{\"ids\", \"skip_special_tokens\"?}} and writes "
                  "{{\"text\"}}.\n{}",
                  kBadLines),
      line_table(options, "directory with tokenizer.json"));
  if (!parser.parse(argc, argv)) return kExitSuccess;
  return run_lines(options, [&](const LineReader& /*lines*/) {
    return std::make_unique<Decoder>(options.model);
  });
}

int run_data_render(int argc, char** argv) {
  LineOptions options;
  EncodingSettings encoding;
  std::string rows = "auto";
  OptionTable table = line_table(options, "directory with tokenizer.json and the chat template");
  OptionGroup render(table, "Render");
  add_encoding_options(render, encoding);
  add_row_form_option(render, &rows);
  OptionParser parser(
      "data render --model DIR [--input FILE] [flags]",
      fmt::format("Reads rows and writes {{\"id\", \"text\", \"ids\", \"weights\"}} or {{\"id\", "
                  "\"error\"}}, with the tokens that training sees.\n{}",
                  kBadLines),
      std::move(table));
  if (!parser.parse(argc, argv)) return kExitSuccess;
  return run_lines(options, [&](const LineReader& lines) {
    return std::make_unique<Renderer>(RowEncoder::load(options.model, encoding.parse()),
                                      parse_row_form_choice(rows),
                                      std::filesystem::path(lines.name()).filename().string());
  });
}

}  // namespace longhaul
