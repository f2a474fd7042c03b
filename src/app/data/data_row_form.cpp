#include "app/data/data_row_form.h"

#include "core/error.h"

namespace longhaul {

void declare_row_form(FlagGroup& group, std::string* value) {
  group.value("rows", value, "auto|training|verbatim",
              "training: as train reads rows; verbatim: messages go to the template as they are; "
              "auto: verbatim for rows that have add_generation_prompt");
}

RowFormChoice parse_row_form_choice(std::string_view text) {
  if (text == "auto") return RowFormChoice::automatic;
  if (text == "training") return RowFormChoice::training;
  if (text == "verbatim") return RowFormChoice::verbatim;
  user_error("--rows {}: unknown; known: auto, training, verbatim", text);
}

RowForm row_form(RowFormChoice choice, const JsonValue& line, RowForm training) {
  const bool verbatim =
      choice == RowFormChoice::verbatim ||
      (choice == RowFormChoice::automatic && !line.get("add_generation_prompt").is_undefined());
  return verbatim ? RowForm::verbatim : training;
}

}  // namespace longhaul
