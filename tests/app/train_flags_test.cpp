// The rows of `longhaul train`: each is in --help, in completion and in the JSON, its default is
// good, and its check refuses what is bad.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/flags/completion_script.h"
#include "app/flags/train_parser.h"
#include "core/error.h"
#include "model/recomputation.h"

namespace longhaul {
namespace {

const std::map<std::string, std::string> kNeeded{
    {"model", "model"}, {"dataset", "rows.jsonl"}, {"save", "save"}};

/// Parses `longhaul train --NAME VALUE ...` into `options`.
OptionParser parse(TrainOptions& options, const std::map<std::string, std::string>& flags) {
  std::vector<std::string> arguments{"train"};
  for (const auto& [name, value] : flags) arguments.push_back(fmt::format("--{}={}", name, value));
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  OptionParser parser = make_train_parser(options);
  EXPECT_TRUE(parser.parse(static_cast<int>(argv.size()), argv.data()));
  return parser;
}

/// The needed flags and one more.
std::map<std::string, std::string> with(const std::string& name, const std::string& value) {
  std::map<std::string, std::string> flags = kNeeded;
  flags[name] = value;
  return flags;
}

/// What is said of these flags by parsing and by validate(); empty: nothing.
std::string refusal(const std::map<std::string, std::string>& flags) {
  try {
    TrainOptions options;
    parse(options, flags);
    options.validate();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

nlohmann::json recorded(const TrainOptions& options) {
  return nlohmann::json::parse(options.to_json());
}

/// A value other than the default.
std::string another_value(const Option& option) {
  const std::map<std::string, std::string> special{{"pipeline_model_parallel_size", "1"},
                                                   {"lr", "0.5"},
                                                   {"straggler_factor", "2.5"},
                                                   {"comm_timeout", "30.5"},
                                                   {"startup_timeout", "30.5"}};
  if (const auto found = special.find(option.name); found != special.end()) return found->second;
  if (std::holds_alternative<bool*>(option.variable)) return "true";
  if (std::holds_alternative<double*>(option.variable)) return "0.25";
  if (!option.choices.empty()) return option.choices.back();
  return std::holds_alternative<std::string*>(option.variable) || option.list ? "some/where" : "7";
}

/// Does the script offer the flag, as a whole word?
bool completes(const std::string& script, const std::string& name) {
  const std::string word = "--" + name;
  for (std::size_t at = script.find(word); at != std::string::npos;
       at = script.find(word, at + 1)) {
    const char after = script[at + word.size()];
    if ((script[at - 1] == ' ' || script[at - 1] == '\'' || script[at - 1] == '"') &&
        (after == ' ' || after == '\'' || after == '"')) {
      return true;
    }
  }
  return false;
}

TEST(TrainFlags, EachIsInHelpCompletionAndJson) {
  TrainOptions options;
  const OptionParser parser = make_train_parser(options);
  const std::string help = "\n" + parser.help();
  const std::vector<Option>& rows = parser.table().options();
  const std::string completion =
      bash_completion_script({}, {{"train", "", {rows.begin(), rows.end()}}});
  const nlohmann::json json = recorded(options);
  EXPECT_EQ(json.size(), rows.size());
  EXPECT_GE(rows.size(), 50U);
  for (const Option& row : rows) {
    EXPECT_NE(help.find(fmt::format("\n  --{}", row.name)), std::string::npos) << row.name;
    EXPECT_TRUE(completes(completion, row.name)) << row.name;
    if (!row.value_optional) {
      EXPECT_NE(completion.find(fmt::format("'train --{}')", row.name)), std::string::npos);
    }
    EXPECT_TRUE(json.contains(row.name)) << row.name;
  }
}

TEST(TrainFlags, EachIsParsedAndRecorded) {
  TrainOptions defaults;
  const OptionTable table = train_option_table(defaults);
  for (const Option& row : table.options()) {
    const std::string text = another_value(row);
    TrainOptions options;
    const OptionParser parser = parse(options, with(row.name, text));
    const nlohmann::json value = recorded(options)[row.name];
    if (row.list) {
      EXPECT_EQ(value, nlohmann::json({text}));
    } else if (value.is_string()) {
      EXPECT_EQ(value, text);
    } else {
      EXPECT_EQ(value, nlohmann::json::parse(text)) << row.name;
    }
    EXPECT_EQ(parser.values().at(row.name), text);
  }
}

TEST(TrainFlags, TheDefaultsAreGood) {
  EXPECT_EQ(refusal(kNeeded), "");
  TrainOptions options;
  const OptionParser parser = parse(options, kNeeded);
  EXPECT_EQ(parser.values().at("lr"), "1e-05");
  EXPECT_EQ(parser.values().count("val_dataset"), 0U) << "neither given nor a default";
  EXPECT_TRUE(recorded(options)["epochs"].is_null());
}

TEST(TrainFlags, WhatIsNeededIsNamed) {
  for (const auto& [name, value] : kNeeded) {
    std::map<std::string, std::string> flags = kNeeded;
    flags.erase(name);
    EXPECT_EQ(refusal(flags).find(fmt::format("--{} is missing: ", name)), 0U) << refusal(flags);
  }
}

TEST(TrainFlags, EachCheckRefusesABadValueByName) {
  const std::map<std::string, std::vector<std::string>> bad{
      {"split_dataset_ratio", {"-0.1", "1", "nan"}},
      {"max_length", {"1"}},
      {"packing", {"best"}},
      {"truncation_strategy", {"middle"}},
      {"template_mode", {"jinja"}},
      {"chat_template", {"llama"}},
      {"loss_scale", {"some", "hermes+all"}},
      {"thinking", {"no"}},
      {"tensor_model_parallel_size", {"-1"}},
      {"context_parallel_size", {"-1"}},
      {"pipeline_model_parallel_size", {"2", "0"}},
      {"micro_bs", {"0"}},
      {"global_bs", {"0"}},
      {"recompute_granularity", {"some"}},
      {"backend", {"tpu"}},
      {"ranks_per_gpu", {"0"}},
      {"attention_backend", {"torch"}},
      {"threads", {"-1"}},
      {"epochs", {"0"}},
      {"train_iters", {"0"}},
      {"lr", {"-1", "1e6", "inf"}},
      {"min_lr", {"-1"}},
      {"lr_decay_style", {"square"}},
      {"lr_warmup_fraction", {"-0.1", "1"}},
      {"lr_warmup_iters", {"-1"}},
      {"weight_decay", {"-1"}},
      {"adam_beta1", {"1"}},
      {"adam_beta2", {"1"}},
      {"adam_eps", {"0", "nan"}},
      {"clip_grad", {"-1"}},
      {"max_skipped_steps", {"0"}},
      {"comm_timeout", {"-1", "0.5", "3e6"}},
      {"startup_timeout", {"0.5"}},
      {"straggler_factor", {"1", "-2"}},
      {"preflight", {"slow"}},
      {"save_interval", {"0"}},
      {"save_total_limit", {"-1"}},
      {"eval_interval", {"-1"}},
      {"log_interval", {"0"}},
      {"port", {"0", "65536"}},
  };
  TrainOptions defaults;
  const OptionTable table = train_option_table(defaults);
  for (const Option& row : table.options()) {
    EXPECT_EQ(bad.count(row.name) != 0, static_cast<bool>(row.problem))
        << "--" << row.name << ": a row with a check has bad values above";
  }
  for (const auto& [name, values] : bad) {
    for (const std::string& value : values) {
      const std::string text = refusal(with(name, value));
      EXPECT_EQ(text.find(fmt::format("--{} ", name)), 0U) << name << " " << value << ": " << text;
      EXPECT_NE(text.find(": "), std::string::npos) << text;
    }
  }
}

TEST(TrainFlags, EachChoiceIsAcceptedAndUnderstood) {
  TrainOptions defaults;
  const OptionTable table = train_option_table(defaults);
  for (const Option& row : table.options()) {
    for (const std::string& choice : row.choices) {
      std::map<std::string, std::string> flags = with(row.name, choice);
      if (row.name == "strict_parity") flags["template_mode"] = "swift-3.7";
      EXPECT_EQ(refusal(flags), "") << row.name;
      TrainOptions options;
      parse(options, flags);
      EXPECT_NO_THROW((void)options.dataset_options({1, 1, 1}));
      EXPECT_NO_THROW(parse_decay_style(options.lr_decay_style));
      if (options.recompute_granularity != "auto") {
        EXPECT_NO_THROW(parse_recompute(options.recompute_granularity));
      }
    }
  }
}

TEST(TrainFlags, ContradictionsNameBothFlags) {
  const auto refused = [](std::map<std::string, std::string> flags, const std::string& one,
                          const std::string& other) {
    flags.insert(kNeeded.begin(), kNeeded.end());
    const std::string text = refusal(flags);
    EXPECT_NE(text.find("--" + one), std::string::npos) << text;
    EXPECT_NE(text.find("--" + other), std::string::npos) << text;
  };
  refused({{"val_dataset", "a"}, {"split_dataset_ratio", "0.1"}}, "val_dataset",
          "split_dataset_ratio");
  refused({{"min_lr", "1"}}, "min_lr", "lr");
  refused({{"lr_warmup_fraction", "0.1"}, {"lr_warmup_iters", "2"}}, "lr_warmup_fraction",
          "lr_warmup_iters");
  refused({{"preflight_only", "true"}, {"preflight", "off"}}, "preflight_only", "preflight off");
  refused({{"strict_parity", "true"}}, "strict_parity", "template_mode");
}

}  // namespace
}  // namespace longhaul
