"""Checks the event files of write_tensorboard_events with TensorBoard's own reader."""

import sys

from tensorboard.backend.event_processing import event_accumulator

folder = sys.argv[1]
reader = event_accumulator.EventAccumulator(
    folder, size_guidance={event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0})
reader.Reload()
tags = reader.Tags()


def check(what, seen, expected):
    if seen != expected:
        sys.exit(f"{what}: TensorBoard reads {seen!r}, expected {expected!r}")


for tag in ("train/loss", "train/grad_norm", "train/learning_rate", "speed/tokens_per_second",
            "speed/model_tflops", "time/step", "data/padding_share", "eval/loss"):
    if tag not in tags["scalars"]:
        sys.exit(f"TensorBoard does not list {tag}: {tags['scalars']}")
# Steps 4..6 of the first file were purged by the restart: every step appears once.
check("losses", [(e.step, e.value) for e in reader.Scalars("train/loss")],
      [(s, 100.0 + s) for s in (1, 2, 3)] + [(s, 200.0 + s) for s in (4, 5, 6, 7, 8)])
check("evaluation losses", [(e.step, e.value) for e in reader.Scalars("eval/loss")],
      [(4, 205.0), (8, 209.0)])
check("speeds", [e.value for e in reader.Scalars("speed/tokens_per_second")],
      [2000.0 * s for s in range(1, 9)])
text = reader.Tensors("config")[0]
check("text", text.tensor_proto.string_val[0].decode(), "**lr** 2e-3, 中文")
check("text plugin", reader.SummaryMetadata("config").plugin_data.plugin_name, "text")
check("file version", reader.file_version, 2.0)
print(f"TensorBoard's reader agrees: {len(tags['scalars'])} scalars, 8 steps, 1 text")
