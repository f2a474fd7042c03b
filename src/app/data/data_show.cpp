// longhaul data show: one conversation as the model sees it, with what it is trained on.
#include <fmt/format.h>

#include <iostream>
#include <map>
#include <optional>
#include <vector>

#include "app/data/data_actions.h"
#include "app/data/row_painter.h"
#include "app/flags/options.h"
#include "app/standard_output.h"
#include "core/error.h"
#include "core/humanize.h"
#include "data/check/find_rows.h"
#include "data/template/encoding_settings.h"
#include "data/text/visible_text.h"
#include "metrics/console_style.h"

namespace longhaul {
namespace {

struct ShowFlags {
  std::string model;
  std::vector<std::string> files;
  RowQuery query;
  bool all = false;
  bool tokens = false;
  bool ids = false;
  std::string color = "auto";
  std::int64_t max_chars = 2000;
};

bool use_color(const std::string& flag) {
  if (flag != "auto") return flag == "always";
  return detect_console_style(stdout).color == ConsoleColor::on;
}

void check_flags(const ShowFlags& flags) {
  if (flags.files.empty()) {
    user_error("which file? Name it, as in 'longhaul data show --model DIR rows.jsonl --id X'");
  }
  const RowQuery& query = flags.query;
  const int ways = (query.id ? 1 : 0) + (query.line ? 1 : 0) + (query.index ? 1 : 0);
  if (ways > 1) user_error("--id, --line and --index each name a row; give one of them");
  if (query.id && query.id->empty()) user_error("--id is empty; give the id of a row");
  if (query.line && flags.files.size() > 1) {
    user_error("--line {} needs one file, not {}; name the one that it is a line of", *query.line,
               flags.files.size());
  }
}

/// "qwen3 (hf), loss_scale default": what `encoder`, made from the settings, does.
std::string describe_encoding(const RowEncoder& encoder, const EncodingSettings& settings) {
  std::string text = fmt::format("{} ({}), loss_scale {}", name_of(encoder.template_family()),
                                 settings.template_mode, settings.loss_scale);
  if (settings.thinking != "as_template") text += fmt::format(", thinking {}", settings.thinking);
  if (settings.strict_parity) text += ", strict parity";
  return text;
}

/// Prints rows.
class RowWriter {
 public:
  RowWriter(const RowEncoder& encoder, std::string how, const ShowFlags& flags)
      : encoder_(encoder), how_(std::move(how)), flags_(flags) {
    paint_.color = use_color(flags.color);
    paint_.tokens = flags.tokens;
    paint_.max_chars = flags.max_chars;
  }

  /// How the rows to show must be read.
  [[nodiscard]] RowForm row_form() const { return encoder_.row_form(); }

  void show(const FoundRow& found) {
    if (shown_++ > 0) out_ += '\n';
    if (const auto* rejected = std::get_if<RejectedRow>(&found.row)) {
      show_rejected(found, rejected->id, rejected->reason);
    } else {
      const Row& row = std::get<Row>(found.row);
      try {
        const RenderedRow rendered = encoder_.render(row);
        show_accepted(found, row, encoder_.encode(rendered, scratch_));
      } catch (const RowError& error) {
        show_rejected(found, row.id, error.what());
      }
    }
    write_output(out_);
  }

 private:
  void field(const char* name, std::string_view text) {
    const std::string label = fmt::format("{:<9}", name);
    out_ += paint_.color ? fmt::format("\033[1m{}\033[0m {}\n", label, text)
                         : fmt::format("{} {}\n", label, text);
  }

  void place(const FoundRow& found, const std::string& id) {
    field("id", id.empty() ? "(none)" : visible(id));
    field("place", fmt::format("{}:{}", visible(found.file), found.line));
  }

  void show_rejected(const FoundRow& found, const std::string& id, const std::string& reason) {
    place(found, id);
    field("rejected", visible(reason));
    out_ += "\nThe line\n";
    const std::string line = visible(found.text);
    const std::size_t end =
        flags_.max_chars > 0 ? character_offset(line, flags_.max_chars) : line.size();
    out_ += line.substr(0, end);
    out_ += '\n';
    if (end < line.size()) {
      out_ += fmt::format("[… {} characters are not shown; --max_chars 0 shows all]\n",
                          count_characters(line.substr(end)));
    }
  }

  void show_accepted(const FoundRow& found, const Row& row, const EncodedSample& sample) {
    place(found, row.id);
    field("messages", describe_messages(row));
    const auto tokens = static_cast<std::int64_t>(sample.tokens.size());
    const std::int64_t trained = sample.trained_tokens();
    field("tokens", fmt::format("{}, {} of them trained ({:.1f} %)", tokens, trained,
                                tokens > 0 ? 100.0 * static_cast<double>(trained) /
                                                 static_cast<double>(tokens)
                                           : 0.0));
    field("template", how_);
    if (!sample.note.empty()) field("note", visible(sample.note));
    field("marks", paint_legend(paint_));
    out_ += '\n';
    const PaintedRow painted = paint_row(encoder_.tokenizer(), sample, paint_);
    out_ += painted.text;
    if (flags_.ids) append_ids(sample);
    if (painted.folded_parts > 0) {
      out_ += fmt::format("\n{} in {} without loss are not shown; --max_chars 0 shows all\n",
                          counted(painted.folded_characters, "character"),
                          counted(painted.folded_parts, "part"));
    }
    if (trained == 0) out_ += "\nNothing in this row carries loss: training rejects it\n";
  }

  static std::string describe_messages(const Row& row) {
    std::map<std::string, std::int64_t> roles;
    for (const Message& message : row.messages) ++roles[message.role];
    std::string text = fmt::format("{} (", row.messages.size());
    for (const char* role : {"system", "user", "assistant", "tool"}) {
      if (roles[role] == 0) continue;
      text += fmt::format("{}{} {}", text.back() == '(' ? "" : ", ", roles[role], role);
    }
    return text + "), " + counted(static_cast<std::int64_t>(row.tools.array().size()), "tool");
  }

  void append_ids(const EncodedSample& sample) {
    out_ += "\nids: [";
    for (std::size_t i = 0; i < sample.tokens.size(); ++i) {
      out_ += fmt::format("{}{}", i == 0 ? "" : ", ", sample.tokens[i]);
    }
    out_ += "]\nweights: [";
    for (std::size_t i = 0; i < sample.weights.size(); ++i) {
      out_ += fmt::format("{}{}", i == 0 ? "" : ", ", sample.weights[i]);
    }
    out_ += "]\n";
  }

  const RowEncoder& encoder_;
  std::string how_;
  const ShowFlags& flags_;
  PaintOptions paint_;
  RowEncoder::Scratch scratch_;
  std::string out_;
  std::int64_t shown_ = 0;
};

struct Search {
  std::int64_t found = 0;
  std::vector<std::string> others;  // places of rows that match, too, and were not shown
  std::int64_t rows = 0;
  std::int64_t last_line = 0;  // of the last file
};

/// Looks for the rows in all files and shows them.
Search search(const ShowFlags& flags, RowWriter& writer) {
  constexpr std::size_t kMostPlaces = 10;
  Search result;
  const auto use = [&](const FoundRow& row) {
    if (result.found++ == 0 || flags.all) {
      writer.show(row);
    } else if (result.others.size() < kMostPlaces) {
      result.others.push_back(fmt::format("{}:{}", visible(row.file), row.line));
    }
    return flags.all || flags.query.id.has_value();  // an id may come again
  };
  for (const std::string& file : flags.files) {
    RowQuery query = flags.query;
    if (query.index) *query.index -= result.rows;
    std::optional<LineReader> lines;
    if (file == "-") {
      lines.emplace(std::cin, "stdin");
    } else {
      lines.emplace(std::filesystem::path(file));
    }
    const SearchedFile searched = find_rows(*lines, query, writer.row_form(), use);
    result.rows += searched.rows;
    result.last_line = searched.last_line;
    if (result.found > 0 && !flags.all && !flags.query.id) break;
  }
  return result;
}

[[noreturn]] void not_found(const ShowFlags& flags, const Search& search) {
  const std::string where =
      flags.files.size() == 1 ? flags.files.front() : fmt::format("{} files", flags.files.size());
  if (flags.query.id) {
    user_error(
        "--id {}: no row of {} has this id ({} rows read); 'longhaul data check' lists rows "
        "that are not JSON",
        *flags.query.id, where, search.rows);
  }
  if (flags.query.line) {
    user_error("--line {}: {} has no row there; its last row before that is in line {}",
               *flags.query.line, where, search.last_line);
  }
  if (flags.query.index) {
    user_error("--index {}: {} has {} rows, counted from 0", *flags.query.index, where,
               search.rows);
  }
  user_error("{}: has no row, only blank lines", where);
}

OptionTable show_table(ShowFlags& flags, EncodingSettings& encoding) {
  OptionTable table;
  OptionGroup group(table, "Show");
  group.add("model", &flags.model, "DIR", "directory with tokenizer.json and the chat template")
      .needed("a directory with tokenizer.json");
  group.add("files", &flags.files, "FILE...",
            "JSON-lines files, - is standard input; also without the flag's name");
  group.add("id", &flags.query.id, "X", "the row with this id (<file name>:<line> if it has none)");
  group.add("line", &flags.query.line, "N", "the row in this line of the file, from 1").at_least(1);
  group
      .add("index", &flags.query.index, "K",
           "the row with this number over all files, from 0; blank lines do not count")
      .at_least(0);
  group.toggle("all", &flags.all, "every row that matches, also when several have the id");
  group
      .add("max_chars", &flags.max_chars, "N",
           "fold parts without loss that are longer, to this many characters; 0 shows all")
      .at_least(0);
  group.toggle("tokens", &flags.tokens, "show each token's end and its id");
  group.toggle("ids", &flags.ids, "list ids and loss weights below the text");
  group.add("color", &flags.color, one_of({"auto", "always", "never"}),
            "auto: on a terminal, unless NO_COLOR is set");
  OptionGroup render(table, "Render");
  add_encoding_options(render, encoding);
  return table;
}

}  // namespace

int run_data_show(int argc, char** argv) {
  ShowFlags flags;
  EncodingSettings encoding;
  OptionParser parser(
      "data show --model DIR FILE... [--id X | --line N | --index K] [flags]",
      "Shows a conversation as the model sees it, with the text that carries loss marked. Without "
      "--id,\n--line and --index it is the first row. Long parts without loss are folded.",
      show_table(flags, encoding));
  parser.positional("files", -1);
  if (!parser.parse(argc, argv)) return kExitSuccess;
  check_flags(flags);

  const RowEncoder encoder = RowEncoder::load(flags.model, encoding.parse());
  RowWriter writer(encoder, describe_encoding(encoder, encoding), flags);
  const Search result = search(flags, writer);
  if (result.found == 0) not_found(flags, result);
  if (result.found > 1 && !flags.all) {
    std::string text =
        fmt::format("\n{} this id, too:",
                    result.found == 2 ? "1 other row has"
                                      : fmt::format("{} other rows have", result.found - 1));
    for (const std::string& place : result.others) text += " " + place;
    if (result.found - 1 > static_cast<std::int64_t>(result.others.size())) text += " …";
    text += "; --all shows them\n";
    write_output(text);
  }
  return kExitSuccess;
}

}  // namespace longhaul
