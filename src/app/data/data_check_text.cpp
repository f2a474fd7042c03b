#include "app/data/data_check_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/humanize.h"
#include "data/text/visible_text.h"

namespace longhaul {
namespace {

constexpr std::size_t kWidestName = 60;
/// A reason may quote the row at length.
constexpr std::int64_t kWidestExample = 300;

class CheckWriter {
 public:
  explicit CheckWriter(const DataCheck& check) : check_(check) {}

  std::string write() {
    file_table();
    groups("Rejected", check_.rejected);
    groups("Accepted, but is it meant?", check_.suspicious);
    duplicates();
    facts();
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string file_name(std::int32_t file) const {
    return visible(check_.files[static_cast<std::size_t>(file)].file.path.string());
  }
  [[nodiscard]] std::string place(const DataCheck::Place& place) const {
    return fmt::format("{}:{}", file_name(place.file), place.line);
  }

  void file_table() {
    std::size_t width = 4;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < check_.files.size(); ++i) {
      names.push_back(file_name(static_cast<std::int32_t>(i)));
      width = std::max(width, std::min(names.back().size(), kWidestName));
    }
    const auto line = [&](const std::string& name, auto lines, auto rows, auto accepted,
                          auto rejected) {
      out_ += fmt::format("{:<{}} {:>10} {:>10} {:>10} {:>10}\n", name, width, lines, rows,
                          accepted, rejected);
    };
    line("file", "lines", "rows", "accepted", "rejected");
    std::int64_t lines = 0;
    for (std::size_t i = 0; i < check_.files.size(); ++i) {
      const DataCheck::File& file = check_.files[i];
      line(names[i], file.lines, file.rows(), file.accepted, file.rejected);
      lines += file.lines;
    }
    if (check_.files.size() > 1) {
      line("all", lines, check_.accepted_rows() + check_.rejected_rows(), check_.accepted_rows(),
           check_.rejected_rows());
    }
  }

  void groups(const char* title, const std::vector<DataCheck::Group>& groups) {
    if (groups.empty()) return;
    out_ += fmt::format("\n{}\n", title);
    for (const DataCheck::Group& group : groups) {
      out_ += fmt::format("{:>8} x {}\n", group.rows, visible(group.name));
      for (const DataCheck::Example& example : group.examples) {
        std::string text = place(example.place);
        if (!example.id.empty()) text += fmt::format(": {}", visible(example.id));
        if (!example.text.empty()) text += fmt::format(": {}", visible(example.text));
        const std::size_t end = character_offset(text, kWidestExample);
        out_ +=
            fmt::format("             {}{}\n", text.substr(0, end), end < text.size() ? "…" : "");
      }
      const auto more = group.rows - static_cast<std::int64_t>(group.examples.size());
      if (more > 0 && !group.examples.empty()) {
        out_ += fmt::format("             … and {}\n", counted(more, "other row"));
      }
    }
  }

  void duplicates() {
    if (check_.duplicated_ids == 0) return;
    out_ +=
        fmt::format("\nDuplicate ids: {}, on {} beyond the first\n",
                    counted(check_.duplicated_ids, "id"), counted(check_.duplicate_rows, "row"));
    for (const DataCheck::Duplicate& duplicate : check_.duplicates) {
      out_ += fmt::format("             {}: {} and {}\n", visible(duplicate.id),
                          place(duplicate.first), place(duplicate.again));
    }
  }

  /// What is in the accepted rows.
  void facts() {
    out_ += "\nAccepted rows\n";
    const auto fact = [&](std::int64_t count, const char* text) {
      out_ += fmt::format("{:>8}   {}\n", count, text);
    };
    for (const char* role : {"system", "user", "assistant", "tool"}) {
      const auto found = check_.messages.find(role);
      if (found != check_.messages.end()) {
        fact(found->second, fmt::format("{} messages", role).c_str());
      }
    }
    fact(check_.with_tools, "rows with tools");
    fact(check_.with_tool_calls, "rows with tool_calls");
    fact(check_.with_reasoning, "rows with reasoning_content");
    fact(check_.with_loss, "rows with a loss of their own");
    fact(check_.without_assistant, "rows without an assistant message");
    fact(check_.without_id, "rows without an id");
  }

  const DataCheck& check_;
  std::string out_;
};

}  // namespace

std::string check_text(const DataCheck& check) { return CheckWriter(check).write(); }

}  // namespace longhaul
