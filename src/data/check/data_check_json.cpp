
#include "core/json.h"
#include "data/check/data_check.h"

namespace longhaul {
namespace {

using Json = nlohmann::ordered_json;

class JsonWriter {
 public:
  explicit JsonWriter(const DataCheck& check) : check_(check) {}

  [[nodiscard]] Json all() const {
    Json files = Json::array();
    for (const DataCheck::File& file : check_.files) {
      files.push_back({{"file", file.file.path.string()},
                       {"bytes", file.file.bytes},
                       {"lines", file.lines},
                       {"rows", file.rows()},
                       {"accepted", file.accepted},
                       {"rejected", file.rejected}});
    }
    Json duplicates = Json::array();
    for (const DataCheck::Duplicate& duplicate : check_.duplicates) {
      duplicates.push_back({{"id", duplicate.id},
                            {"first", place(duplicate.first)},
                            {"again", place(duplicate.again)}});
    }
    return {{"rows", check_.accepted_rows() + check_.rejected_rows()},
            {"accepted", check_.accepted_rows()},
            {"rejected", check_.rejected_rows()},
            {"files", std::move(files)},
            {"rejections", groups(check_.rejected, "reason")},
            {"suspicious", groups(check_.suspicious, "where")},
            {"messages", check_.messages},
            {"rows_with_tools", check_.with_tools},
            {"rows_with_tool_calls", check_.with_tool_calls},
            {"rows_with_reasoning_content", check_.with_reasoning},
            {"rows_with_loss", check_.with_loss},
            {"rows_without_id", check_.without_id},
            {"rows_without_assistant", check_.without_assistant},
            {"duplicate_ids",
             {{"ids", check_.duplicated_ids},
              {"rows", check_.duplicate_rows},
              {"examples", std::move(duplicates)}}}};
  }

 private:
  [[nodiscard]] Json place(const DataCheck::Place& place) const {
    const DataCheck::File& file = check_.files[static_cast<std::size_t>(place.file)];
    return {{"file", file.file.path.string()}, {"line", place.line}};
  }

  /// text_key: what an example's text is called.
  [[nodiscard]] Json groups(const std::vector<DataCheck::Group>& groups,
                            const char* text_key) const {
    Json list = Json::array();
    for (const DataCheck::Group& group : groups) {
      Json examples = Json::array();
      for (const DataCheck::Example& example : group.examples) {
        Json entry = place(example.place);
        entry["id"] = example.id.empty() ? Json() : Json(example.id);
        entry[text_key] = example.text;
        examples.push_back(std::move(entry));
      }
      list.push_back(
          {{"group", group.name}, {"rows", group.rows}, {"examples", std::move(examples)}});
    }
    return list;
  }

  const DataCheck& check_;
};

}  // namespace

std::string check_json(const DataCheck& check) {
  constexpr int kIndent = 2;
  // File names need not be UTF-8.
  return dump_json(JsonWriter(check).all(), kIndent, InvalidUtf8::replace) + "\n";
}

}  // namespace longhaul
