#include "train/memory_choice.h"

#include <vector>

#include "core/error.h"
#include "metrics/humanize.h"

namespace longhaul {

MemoryChoice choose_memory(
    std::int64_t micro_bs, std::optional<Recompute> recompute, std::size_t free_bytes,
    const std::function<std::size_t(std::int64_t micro_bs, Recompute mode)>& bytes_needed) {
  const std::vector<Recompute> modes =
      recompute ? std::vector{*recompute}
                : std::vector{Recompute::none, Recompute::selective, Recompute::full};
  std::size_t least = 0;
  for (const Recompute mode : modes) {
    for (std::int64_t size = micro_bs; size >= 1; size /= 2) {
      const std::size_t bytes = bytes_needed(size, mode);
      if (bytes <= free_bytes) {
        MemoryChoice choice{size, mode, bytes, ""};
        if (size != micro_bs) {
          choice.note = fmt::format(
              "--micro_bs {} does not fit into {} of free memory a rank: using {} (the numbers do "
              "not depend on it)",
              micro_bs, human_bytes(static_cast<double>(free_bytes)), size);
        }
        return choice;
      }
      least = bytes;
    }
  }
  user_error(
      "the run does not fit: a rank needs at least {} (one pack a micro-batch, recomputation {}), "
      "but only {} are free; use more ranks with a larger --tensor_model_parallel_size or "
      "--context_parallel_size, a smaller --max_length{}",
      human_bytes(static_cast<double>(least)), name_of(modes.back()),
      human_bytes(static_cast<double>(free_bytes)),
      recompute && *recompute != Recompute::full ? ", or --recompute_granularity full" : "");
}

}  // namespace longhaul
