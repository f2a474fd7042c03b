#include "core/json.h"

namespace longhaul {

template <typename Json>
Json parse_json(std::string_view text, const typename Json::parser_callback_t& on_event) {
  return Json::parse(text, on_event);
}

template <typename Json>
Json parse_json_or_discard(std::string_view text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

template <typename Json>
std::string dump_json(const Json& json, int indent, InvalidUtf8 invalid) {
  using Handler = typename Json::error_handler_t;
  return json.dump(indent, ' ', /*ensure_ascii=*/false,
                   invalid == InvalidUtf8::replace ? Handler::replace : Handler::strict);
}

template nlohmann::json parse_json(std::string_view, const nlohmann::json::parser_callback_t&);
template nlohmann::ordered_json parse_json(std::string_view,
                                           const nlohmann::ordered_json::parser_callback_t&);
template nlohmann::json parse_json_or_discard(std::string_view);
template nlohmann::ordered_json parse_json_or_discard(std::string_view);
template std::string dump_json(const nlohmann::json&, int, InvalidUtf8);
template std::string dump_json(const nlohmann::ordered_json&, int, InvalidUtf8);

}  // namespace longhaul
