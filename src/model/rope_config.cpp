#include "model/rope_config.h"

#include <cmath>

namespace longhaul {
namespace {

constexpr double kDefaultTheta = 10000.0;
constexpr double kDefaultBetaFast = 32.0;
constexpr double kDefaultBetaSlow = 1.0;

/// transformers reads these with "value or default", so that 0 means the default too.
double number_or(const ConfigObject& object, const char* key, double fallback) {
  const double value = object.optional_number(key).value_or(0.0);
  if (value < 0.0) object.refuse(key, "a number above 0");
  return value == 0.0 ? fallback : value;
}

/// A number for which 0 means "not given".
std::optional<double> nonzero(const ConfigObject& object, const char* key) {
  const std::optional<double> value = object.optional_number(key);
  return value && *value != 0.0 ? value : std::nullopt;
}

void parse_yarn(const ConfigObject& scaling, std::int64_t max_position_embeddings,
                RopeConfig& rope) {
  rope.scaling = RopeScaling::yarn;
  constexpr const char* kOriginal = "original_max_position_embeddings";
  // Without the key the configured maximum is taken for the length of pre-training.
  const double original =
      number_or(scaling, kOriginal, static_cast<double>(max_position_embeddings));
  if (original != std::floor(original) || original < 1.0 || original > 0x1p40) {
    scaling.refuse(kOriginal, "a positive integer");
  }
  rope.original_max_position_embeddings = static_cast<std::int64_t>(original);
  if (!scaling.contains("factor")) scaling.refuse("factor", "a number of at least 1");
  // A factor of null means the ratio of the two lengths.
  rope.factor = scaling.optional_number("factor").value_or(
      static_cast<double>(max_position_embeddings) / original);
  if (rope.factor < 1.0) scaling.refuse("factor", "a number of at least 1");
  rope.attention_factor = scaling.optional_number("attention_factor");
  if (rope.attention_factor && !(*rope.attention_factor > 0.0)) {
    scaling.refuse("attention_factor", "a number above 0");
  }
  rope.mscale = nonzero(scaling, "mscale");
  rope.mscale_all_dim = nonzero(scaling, "mscale_all_dim");
  rope.beta_fast = number_or(scaling, "beta_fast", kDefaultBetaFast);
  rope.beta_slow = number_or(scaling, "beta_slow", kDefaultBetaSlow);
  if (rope.beta_fast < rope.beta_slow) {
    scaling.refuse("beta_fast", fmt::format("at least beta_slow, which is {}", rope.beta_slow));
  }
  // transformers takes null for false here.
  rope.truncate = scaling.boolean("truncate", !scaling.contains("truncate"));
}

/// theta: what applies when the object itself says nothing.
RopeConfig parse_scaling(const ConfigObject& scaling, double theta,
                         std::int64_t max_position_embeddings) {
  RopeConfig rope;
  rope.theta = scaling.positive_number("rope_theta", theta);
  const std::optional<std::string> old_spelling = scaling.optional_string("type");
  const std::optional<std::string> new_spelling = scaling.optional_string("rope_type");
  if (old_spelling && new_spelling && *old_spelling != *new_spelling) {
    user_error("{}: type is '{}' but rope_type is '{}'; keep the one that is meant",
               scaling.where(), *old_spelling, *new_spelling);
  }
  const char* const key = new_spelling ? "rope_type" : "type";
  const std::string type = new_spelling.value_or(old_spelling.value_or("default"));
  if (scaling.find("mrope_section") != nullptr) {
    user_error("{}: 'mrope_section' belongs to multi-modal models, which are not supported",
               scaling.where());
  }
  const std::optional<double> partial = scaling.optional_number("partial_rotary_factor");
  if (partial && *partial != 1.0) {
    scaling.refuse("partial_rotary_factor", "1 (rotating part of a head is not supported)");
  }
  if (type == "yarn") {
    parse_yarn(scaling, max_position_embeddings, rope);
  } else if (type != "default") {
    scaling.refuse(key, "\"default\" or \"yarn\" (other ways of scaling are not supported)");
  }
  return rope;
}

}  // namespace

RopeConfig parse_rope(const ConfigObject& config, std::int64_t max_position_embeddings) {
  const double theta = config.positive_number("rope_theta", kDefaultTheta);
  const std::optional<double> partial = config.optional_number("partial_rotary_factor");
  if (partial && *partial != 1.0) {
    config.refuse("partial_rotary_factor", "1 (rotating part of a head is not supported)");
  }
  const auto parse_key = [&](const char* key) -> std::optional<RopeConfig> {
    const nlohmann::json* object = config.optional_object(key);
    if (object == nullptr || object->empty()) return std::nullopt;
    std::string where = fmt::format("{}: {}", config.where(), key);
    // transformers 5 may nest one object for each kind of layer.
    constexpr const char* kNested = "full_attention";
    if (object->contains(kNested) && object->at(kNested).is_object()) {
      object = &object->at(kNested);
      where += fmt::format(".{}", kNested);
    }
    return parse_scaling(ConfigObject(*object, where), theta, max_position_embeddings);
  };
  const std::optional<RopeConfig> scaling = parse_key("rope_scaling");
  const std::optional<RopeConfig> parameters = parse_key("rope_parameters");
  if (scaling && parameters && *scaling != *parameters) {
    user_error(
        "{}: rope_scaling and rope_parameters describe different position embeddings; keep the one "
        "that is meant",
        config.where());
  }
  if (parameters) return *parameters;
  if (scaling) return *scaling;
  RopeConfig plain;
  plain.theta = theta;
  return plain;
}

}  // namespace longhaul
