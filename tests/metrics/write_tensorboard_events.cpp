// Writes what a resumed run leaves: events of steps 1..6 in one file, of steps 4..8 in a second one
// that resumed after step 3. read_tensorboard_events.py checks what TensorBoard's reader sees.
#include <filesystem>
#include <iostream>

#include "metrics/tensorboard_writer.h"

namespace {

longhaul::StepMetrics step(std::int64_t number, double loss) {
  longhaul::StepMetrics metrics;
  metrics.step = number;
  metrics.loss = loss;
  metrics.tokens = 1000 * number;
  metrics.step_seconds = 0.5;
  if (number % 4 == 0) metrics.eval_loss = loss + 1.0;
  return metrics;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: write_tensorboard_events FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  longhaul::TensorBoardWriter first(folder, 0);
  first.add_text("config", "**lr** 2e-3, 中文", 0);
  for (int i = 1; i <= 6; ++i) first.write_step(step(i, 100.0 + i));
  longhaul::TensorBoardWriter second(folder, 3);
  for (int i = 4; i <= 8; ++i) second.write_step(step(i, 200.0 + i));
  second.close();
  return 0;
}
