"""Whole runs: what they log, keep and export; small variations that must not change the numbers."""
import glob
import json
import math
import os
import re
import shutil
import struct
import unittest

import harness

AGENT_DATA = os.environ.get("LONGHAUL_AGENT_DATA", "")


class TrainingRun(harness.ProgramTest):
    def test_log_evaluation_retention_and_order(self):
        save = self.path("run")
        result = self.train(save, ranks=2, context_parallel_size=2, train_iters=None, epochs=2,
                            global_bs=3, max_length=256, split_dataset_ratio=0.1, save_interval=4,
                            eval_interval=5, save_total_limit=2)
        self.assert_trained(result)
        log = harness.read_log(save)
        self.assertEqual([line["step"] for line in log], list(range(1, len(log) + 1)))
        # 60 rows, 6 set aside: every sample once an epoch, the last step of an epoch may be smaller.
        self.assertEqual(log[-1]["consumed_samples"], 2 * 54)
        self.assertEqual(log[-1]["epoch"], 2.0)
        self.assertLess(log[-1]["loss"], log[0]["loss"])
        evaluated = [line["step"] for line in log if "eval_loss" in line]
        self.assertEqual(evaluated, sorted({*range(5, len(log), 5), len(log)}))
        for key in ("grad_norm", "learning_rate", "tokens", "trained_tokens", "tokens_per_second",
                    "model_tflops", "step_seconds"):
            self.assertTrue(all(math.isfinite(line[key]) for line in log), key)
        kept = sorted(n for n in os.listdir(save) if n.startswith("step_"))
        self.assertEqual(len(kept), 2)
        with open(os.path.join(save, "latest"), encoding="utf-8") as file:
            self.assertEqual(file.read().strip(), kept[-1])
        self.assertTrue(glob.glob(os.path.join(save, "runs", "events.out.tfevents.*")))
        self.assertIn("Finished", result.stdout)

        # The same command again has nothing left to do and changes nothing.
        again = self.train(save, ranks=2, context_parallel_size=2, train_iters=None, epochs=2,
                           global_bs=3, max_length=256, split_dataset_ratio=0.1, save_interval=4,
                           eval_interval=5, save_total_limit=2)
        self.assert_trained(again)
        self.assertEqual(harness.read_log(save), log)

    def losses(self, name, **changes):
        save = self.path(name)
        self.assert_trained(self.train(save, max_length=256, **changes))
        return [line["loss"] for line in harness.read_log(save)]

    def test_numbers_do_not_depend_on_micro_batch_and_recomputation(self):
        expected = self.losses("micro-1", micro_bs=1)
        self.close(self.losses("micro-4", micro_bs=4), expected, 1e-5)
        self.assertEqual(self.losses("full", micro_bs=1, recompute_granularity="full"), expected)
        self.close(self.losses("dp-3", ranks=3, micro_bs=2), expected, 1e-5)

    def test_flags_from_a_file(self):
        flags = self.train_flags(self.path("from-file"), max_length=256)
        with open(self.path("run.conf"), "w", encoding="utf-8") as file:
            for name, value in zip(flags[::2], flags[1::2], strict=True):
                file.write(f"{name[2:]} = {value}\n")
        # The command line wins over the file.
        result = harness.run("train", "--config", self.path("run.conf"), "--train_iters", 2)
        self.assert_trained(result)
        losses = [line["loss"] for line in harness.read_log(self.path("from-file"))]
        self.assertEqual(len(losses), 2)
        self.assertEqual(losses[0], self.losses("from-flags")[0])

    def test_resuming_from_an_older_step_leaves_the_later_ones_behind(self):
        save = self.path("branch")
        flags = dict(save_interval=2, max_length=256, lr_decay_style="constant")
        self.assert_trained(self.train(save, train_iters=6, **flags))
        older = os.path.join(save, "step_00000002")
        # Nothing to do at step 2 of 2, so no checkpoint is written: the choice itself must last.
        self.assert_trained(self.train(save, train_iters=2, resume=older, **flags))
        self.assert_trained(self.train(save, train_iters=4, lr=1e-3, **flags))
        log = harness.read_log(save)
        self.assertEqual([line["step"] for line in log], [1, 2, 3, 4])
        self.assertEqual([line["learning_rate"] for line in log], [2e-3, 2e-3, 1e-3, 1e-3])
        verified = harness.run("inspect", save, "--verify", "true")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_two_runs_give_the_same_bits(self):
        first = self.losses("twice-1", ranks=2, tensor_model_parallel_size=2)
        self.assertEqual(first, self.losses("twice-2", ranks=2, tensor_model_parallel_size=2))

    def test_checkpoint_as_model_starts_from_its_weights(self):
        first = self.path("first")
        self.assert_trained(self.train(first))
        export = self.path("exported")
        made = harness.run("export", "--checkpoint", first, "--output", export, "--verify", "true")
        self.assertEqual(made.returncode, 0, made.stderr)
        from_checkpoint = self.losses("from-checkpoint", model=first)
        from_export = self.losses("from-export", model=export)
        self.assertEqual(from_checkpoint, from_export)

    def test_import_then_train(self):
        imported = self.path("imported")
        made = harness.run("import", "--model", self.model, "--output", imported)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(self.losses("from-import", model=imported), self.losses("from-hf"))

    def test_steps_that_are_not_finite_are_skipped_and_named(self):
        model = self.path("not-a-number")
        shutil.copytree(self.model, model)
        file = os.path.join(model, "model.safetensors")
        with open(file, "r+b") as stream:
            size = struct.unpack("<Q", stream.read(8))[0]
            header = json.loads(stream.read(size))
            begin = header["model.norm.weight"]["data_offsets"][0]
            stream.seek(8 + size + begin)
            stream.write(struct.pack("<f", math.nan))
        save = self.path("nan-run")
        result = self.train(save, ranks=2, tensor_model_parallel_size=2, model=model,
                            max_skipped_steps=2)
        self.assert_refused(result, "2 steps in a row")
        self.assertRegex(result.stdout + result.stderr, r"step 1: loss nan.*row-\d+")
        self.assertFalse(os.path.exists(os.path.join(save, "latest")))


@unittest.skipUnless(glob.glob(os.path.join(AGENT_DATA, "*.jsonl")) if AGENT_DATA else False,
                     "LONGHAUL_AGENT_DATA names no folder with agent conversations")
class RealRows(harness.ProgramTest):
    def test_every_row_is_accounted_for_and_the_loss_falls(self):
        files = sorted(glob.glob(os.path.join(AGENT_DATA, "*.jsonl")))
        rows = 0
        for file in files:
            with open(file, "rb") as stream:
                rows += sum(1 for line in stream if line.strip())
        save = self.path("real")
        flags = self.train_flags(save, dataset=None, max_length=8192, global_bs=1, train_iters=10,
                                 context_parallel_size=2, lr=4e-3, save_interval=10)
        result = harness.run("train", *flags, "--dataset", *files, ranks=2, timeout=1500)
        self.assert_trained(result)
        read = int(re.search(r"(\d+) rows read", result.stdout.replace(",", "")).group(1))
        samples = int(re.search(r"(\d+) samples with", result.stderr.replace(",", "")).group(1))
        with open(os.path.join(save, "rejected.jsonl"), encoding="utf-8") as stream:
            rejected = [json.loads(line) for line in stream]
        self.assertEqual(read, rows)
        self.assertEqual(samples + len(rejected), rows)
        self.assertTrue(all(row["reason"] and row["line"] > 0 for row in rejected))
        log = harness.read_log(save)
        self.assertLess(sum(line["loss"] for line in log[-3:]), sum(line["loss"] for line in log[:3]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
