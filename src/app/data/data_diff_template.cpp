// longhaul data diff-template: is our rendering that of another program?
#include <fmt/format.h>

#include <iostream>
#include <optional>

#include "app/data/data_actions.h"
#include "app/data/data_row_form.h"
#include "app/flags/options.h"
#include "app/standard_output.h"
#include "core/error.h"
#include "data/check/reference_rows.h"
#include "data/check/rendering_difference.h"
#include "data/json/json_parse.h"
#include "data/rows/row_reader.h"
#include "data/template/encoding_settings.h"
#include "data/text/utf8.h"
#include "data/text/visible_text.h"

namespace longhaul {
namespace {

struct DiffFlags {
  std::string model;
  std::string input = "-";
  std::string reference;
  std::string rows = "auto";
  std::int64_t examples = 3;
  std::int64_t context = 60;
};

struct Counts {
  std::int64_t equal = 0;
  std::int64_t both_refuse = 0;
  std::int64_t text = 0;
  std::int64_t ids = 0;
  std::int64_t ours_refused = 0;
  std::int64_t theirs_refused = 0;
  std::int64_t missing = 0;
  std::int64_t left_over = 0;

  [[nodiscard]] bool all_equal() const {
    return text + ids + ours_refused + theirs_refused + missing + left_over == 0;
  }
};

/// Our side of one line.
struct OurRow {
  std::string id;
  RenderedRow rendered;
  std::string error;  // not empty: the row is rejected
};

OurRow render_line(const LineReader::Line& line, const std::string& name, RowFormChoice form,
                   const RowEncoder& encoder) {
  OurRow ours;
  ours.id = fmt::format("{}:{}", std::filesystem::path(name).filename().string(), line.number);
  if (const std::size_t bad = find_invalid_utf8(line.text); bad != std::string_view::npos) {
    ours.error = fmt::format("not UTF-8 (byte {} of the line)", bad + 1);
    return ours;
  }
  try {
    JsonValue value = parse_json(line.text);
    if (const std::string given = row_id(value); !given.empty()) ours.id = given;
    const RowForm row_form_of_line = row_form(form, value, encoder.row_form());
    ours.rendered = encoder.render(parse_row(std::move(value), row_form_of_line));
  } catch (const JsonError& error) {
    ours.error = fmt::format("not JSON: {}", error.what());
  } catch (const RowError& error) {
    ours.error = error.what();
  }
  return ours;
}

class Comparer {
 public:
  Comparer(const RowEncoder& encoder, const DiffFlags& flags, RowFormChoice form)
      : encoder_(encoder), flags_(flags), form_(form), reference_(flags.reference) {}

  void run(LineReader& lines) {
    LineReader::Line line;
    for (std::int64_t index = 0; lines.next(line); ++index) {
      const OurRow ours = render_line(line, lines.name(), form_, encoder_);
      const std::optional<ReferenceRow> theirs = reference_.find(ours.id, index);
      where_ = fmt::format("{} ({}:{}", visible(ours.id), visible(lines.name()), line.number);
      where_ += theirs ? fmt::format(", {}:{})", visible(flags_.reference), theirs->line) : ")";
      if (theirs) {
        compare(ours, *theirs);
      } else {
        count(counts_.missing, "the reference has no such row\n");
      }
    }
    counts_.left_over = reference_.unused();
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }

  void print_summary() {
    std::string out =
        fmt::format("{} {} equal", counts_.equal, counts_.equal == 1 ? "row" : "rows");
    const auto add = [&](std::int64_t number, const char* text) {
      if (number > 0) out += fmt::format(", {} {}", number, text);
    };
    add(counts_.both_refuse, "refused by both");
    add(counts_.text, "with another text");
    add(counts_.ids, "with the same text and other ids");
    add(counts_.ours_refused, "rejected here alone");
    add(counts_.theirs_refused, "refused by the reference alone");
    add(counts_.missing, "missing in the reference");
    add(counts_.left_over, "left over in the reference");
    out += '\n';
    write_output(out);
  }

 private:
  void compare(const OurRow& ours, const ReferenceRow& theirs) {
    if (!ours.error.empty() && !theirs.error.empty()) {
      ++counts_.both_refuse;
    } else if (!ours.error.empty()) {
      count(counts_.ours_refused, fmt::format("rejected here: {}\n", visible(ours.error)));
    } else if (!theirs.error.empty()) {
      count(counts_.theirs_refused,
            fmt::format("refused by the reference: {}\n", visible(theirs.error)));
    } else if (const auto text = find_difference(ours.rendered.text, theirs.text, flags_.context)) {
      count(counts_.text, describe(*text));
    } else if (const auto ids = id_difference(ours, theirs)) {
      count(counts_.ids, describe(*ids));
    } else {
      ++counts_.equal;
    }
  }

  std::optional<IdDifference> id_difference(const OurRow& ours, const ReferenceRow& theirs) {
    if (!theirs.ids) return std::nullopt;
    return find_id_difference(encoder_, ours.rendered, *theirs.ids, scratch_);
  }

  /// Counts one row and prints it if it is one of the first.
  void count(std::int64_t& counter, const std::string& what) {
    ++counter;
    if (printed_ >= flags_.examples) return;
    ++printed_;
    std::string out = fmt::format("{}\n  {}\n", where_, what);
    write_output(out);
  }

  static std::string describe(const TextDifference& difference) {
    return fmt::format(
        "differs at byte {}, line {}, column {}\n    ours       {}▶{}\n    reference  {}▶{}\n",
        difference.byte, difference.line, difference.column, difference.before, difference.ours,
        difference.before, difference.theirs);
  }

  std::string describe(const IdDifference& difference) const {
    const auto token = [&](const std::optional<std::int64_t>& id) -> std::string {
      if (!id) return "(end of the ids)";
      const bool known = *id < encoder_.tokenizer().size();
      return fmt::format(
          "{} \"{}\"", *id,
          known ? visible(encoder_.tokenizer().token_bytes(static_cast<std::int32_t>(*id))) : "");
    };
    return fmt::format(
        "same text, ids differ at number {} (from 0)\n    ours       {}\n    reference  {}\n{}",
        difference.index, token(difference.ours), token(difference.theirs),
        difference.only_at_boundaries
            ? "    The reference tokenizes the text as a whole; training tokenizes parts with and "
              "without\n    loss separately, as inference does\n"
            : "");
  }

  const RowEncoder& encoder_;
  const DiffFlags& flags_;
  RowFormChoice form_;
  ReferenceRows reference_;
  RowEncoder::Scratch scratch_;
  Counts counts_;
  std::string where_;  // the row at hand
  std::int64_t printed_ = 0;
};

OptionTable diff_table(DiffFlags& flags, EncodingSettings& encoding) {
  OptionTable table;
  OptionGroup group(table, "Compare");
  group.add("model", &flags.model, "DIR", "directory with tokenizer.json and the chat template")
      .needed("a directory with tokenizer.json");
  group.add("input", &flags.input, "FILE", "rows as JSON lines; - is standard input");
  group.add("reference", &flags.reference, "FILE", "what the other program made of them")
      .needed("a file of JSON lines {\"text\": ...} to compare with");
  group.add("examples", &flags.examples, "N", "rows that differ to show, at most").at_least(0);
  group.add("context", &flags.context, "N", "characters to show on each side of a difference")
      .at_least(1);
  OptionGroup render(table, "Render");
  add_encoding_options(render, encoding);
  add_row_form_option(render, &flags.rows);
  return table;
}

}  // namespace

int run_data_diff_template(int argc, char** argv) {
  DiffFlags flags;
  EncodingSettings encoding;
  OptionParser parser(
      "data diff-template --model DIR --input FILE --reference FILE [flags]",
      "Compares our rendering of rows with another program's: JSON lines {\"id\"?, \"text\", "
      "\"ids\"?}, found by\nid, or in the order of the rows if they have no ids. Exit code: 0 when "
      "all are equal, 1 when not,\n2 when they could not be compared.",
      diff_table(flags, encoding));
  if (!parser.parse(argc, argv)) return kExitSuccess;

  const RowFormChoice form = parse_row_form_choice(flags.rows);
  const RowEncoder encoder = RowEncoder::load(flags.model, encoding.parse());
  Comparer comparer(encoder, flags, form);
  if (flags.input == "-") {
    LineReader lines(std::cin, "stdin");
    comparer.run(lines);
  } else {
    LineReader lines{std::filesystem::path(flags.input)};
    comparer.run(lines);
  }
  comparer.print_summary();
  return comparer.counts().all_equal() ? kExitSuccess : kExitFailure;
}

}  // namespace longhaul
