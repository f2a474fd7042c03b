"""What a user can get wrong: each mistake gives one message that says what, where and what to do, a
non-zero exit of all ranks, and leaves nothing half-written."""
import fcntl
import json
import os
import shutil
import struct
import subprocess
import unittest

import harness


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), data[8 + size:]


def write_safetensors(path, header, body):
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


class BadInput(harness.ProgramTest):
    def broken_model(self, name):
        directory = self.path(name)
        shutil.copytree(self.model, directory)
        return directory

    def refuse(self, *words, ranks=2, **changes):
        save = self.path("never")
        result = self.train(save, ranks=ranks, **changes)
        self.assert_refused(result, *words)
        self.assertFalse(os.path.exists(os.path.join(save, "latest")))
        return result

    # ---- flags
    def test_unknown_flag(self):
        self.refuse("unknown flag --max_lenght", "--max_length", max_lenght=12)

    def test_missing_flags(self):
        self.refuse("--model is missing", model=None)
        self.refuse("--dataset is missing", dataset=None)
        result = harness.run("train", "--model", self.model, "--dataset", self.rows, ranks=2)
        self.assert_refused(result, "--save is missing")

    def test_impossible_values(self):
        self.refuse("--micro_bs 0", micro_bs=0)
        self.refuse("max_length", max_length="long")
        self.refuse("--lr_decay_style", "cosine", lr_decay_style="square")
        self.refuse("--truncation_strategy", "delete", truncation_strategy="middle")
        self.refuse("--recompute_granularity", "selective", recompute_granularity="some")
        self.refuse("--pipeline_model_parallel_size 2", pipeline_model_parallel_size=2)
        self.refuse("--template_mode", "hf", template_mode="jinja")

    def test_contradictions(self):
        self.refuse("--val_dataset", "--split_dataset_ratio", val_dataset=self.rows,
                    split_dataset_ratio=0.1)
        self.refuse("--min_lr", "--lr", min_lr=1.0)
        self.refuse("--lr_warmup_fraction", "--lr_warmup_iters", lr_warmup_fraction=0.1,
                    lr_warmup_iters=2)

    def test_backends(self):
        self.refuse("--backend cuda", "--backend cpu", backend="cuda")
        self.refuse("--backend tpu", "cpu or cuda", backend="tpu")

    # ---- layout
    def test_world_that_does_not_divide(self):
        self.refuse("3 ranks", "multiple of 2", ranks=3, tensor_model_parallel_size=2)

    def test_tp_that_does_not_divide_heads(self):
        self.refuse("4 attention heads", ranks=3, tensor_model_parallel_size=3)
        self.refuse("2 key/value heads", ranks=4, tensor_model_parallel_size=4)

    # ---- model
    def test_no_model(self):
        self.refuse("no-such-model", model=self.path("no-such-model"))

    def test_missing_weights(self):
        model = self.broken_model("missing-weights")
        os.remove(os.path.join(model, "model.safetensors"))
        self.refuse("safetensors", model, model=model)

    def test_truncated_weights(self):
        model = self.broken_model("truncated")
        file = os.path.join(model, "model.safetensors")
        os.truncate(file, os.path.getsize(file) - 100)
        self.refuse("model.safetensors", model=model)

    def test_wrong_shape_dtype_missing_and_left_over_tensors(self):
        source = os.path.join(self.model, "model.safetensors")
        header, body = read_safetensors(source)
        norm = "model.norm.weight"
        cases = {
            "shape": ({**header, norm: {**header[norm], "shape": [32, 2]}}, norm),
            "dtype": ({**header, norm: {**header[norm], "dtype": "I32"}}, norm),
            "renamed": ({("model.extra" if k == norm else k): v for k, v in header.items()}, norm),
        }
        for name, (changed, word) in cases.items():
            model = self.broken_model("tensors-" + name)
            write_safetensors(os.path.join(model, "model.safetensors"), changed, body)
            result = self.refuse(word, model=model)
            if name == "renamed":
                self.assertIn("model.extra", result.stderr)

    def test_other_tokenizers(self):
        model = self.broken_model("word-level")
        file = os.path.join(model, "tokenizer.json")
        with open(file, encoding="utf-8") as stream:
            tokenizer = json.load(stream)
        tokenizer["model"]["type"] = "WordPiece"
        with open(file, "w", encoding="utf-8") as stream:
            json.dump(tokenizer, stream)
        self.refuse("tokenizer.json", "WordPiece", model=model)

    def test_tokenizer_of_a_larger_vocabulary(self):
        config = dict(harness.TINY_CONFIG, vocab_size=200)
        with open(self.path("small.json"), "w", encoding="utf-8") as stream:
            json.dump(config, stream)
        model = self.path("small-vocabulary")
        made = harness.run("init", "--config", self.path("small.json"), "--tokenizer",
                           self.path("tokenizer"), "--output", model)
        if made.returncode != 0:  # refused as early as here
            self.assertIn("vocab", made.stderr)
            return
        self.refuse("vocabulary", "200", model=model)

    # ---- data
    def data_file(self, name, *lines):
        path = self.path(name)
        with open(path, "wb") as file:
            for line in lines:
                file.write((line if isinstance(line, bytes) else line.encode()) + b"\n")
        return path

    def test_no_data(self):
        self.refuse("no-such-file.jsonl", dataset=self.path("no-such-file.jsonl"))
        self.refuse(self.folder, dataset=self.folder)
        self.refuse("empty.jsonl", dataset=self.data_file("empty.jsonl"))

    BAD_ROWS = {
        "not JSON": '{"messages": [',
        "UTF-8": b'{"messages": [{"role": "user", "content": "\xff"}]}',
        "messages": '{"id": "x"}',
        "wizard": '{"messages": [{"role": "wizard", "content": "hi"}]}',
    }

    def test_rows_that_cannot_be_used_are_listed(self):
        with open(self.rows, encoding="utf-8") as file:
            good = file.read().splitlines()[:8]
        path = self.data_file("mixed.jsonl", *good, *self.BAD_ROWS.values())
        save = self.path("mixed")
        self.assert_trained(self.train(save, ranks=2, dataset=path, tensor_model_parallel_size=2,
                                       train_iters=1))
        with open(os.path.join(save, "rejected.jsonl"), encoding="utf-8") as file:
            rejected = [json.loads(line) for line in file]
        self.assertEqual([row["line"] for row in rejected], [9, 10, 11, 12])
        for row, word in zip(rejected, self.BAD_ROWS, strict=True):
            self.assertIn(word.lower(), row["reason"].lower())
            self.assertEqual(row["file"], path)

    def test_strict_stops_at_each_of_them(self):
        with open(self.rows, encoding="utf-8") as file:
            good = file.readline().rstrip()
        for index, line in enumerate(self.BAD_ROWS.values()):
            path = self.data_file(f"strict-{index}.jsonl", good, line)
            self.refuse(f"strict-{index}.jsonl:2", dataset=path, strict="true")

    def test_nothing_to_train_on(self):
        path = self.data_file("hopeless.jsonl", *self.BAD_ROWS.values())
        self.refuse("4", dataset=path)

    # ---- files
    def test_save_directory_that_cannot_be_made(self):
        result = self.train(os.path.join(self.rows, "below-a-file"), ranks=2)
        self.assert_refused(result, "--save", "below-a-file")

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small file system needs root")
    def test_disk_full_at_a_checkpoint(self):
        save = self.path("full")
        os.mkdir(save)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=7m", "tmpfs", save],
                                 capture_output=True, text=True, check=False)
        if mounted.returncode != 0:  # root of a container without the right to mount
            self.skipTest(f"cannot mount a small file system: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", save], check=True)
        flags = dict(ranks=2, context_parallel_size=2, lr_decay_style="constant")
        self.assert_trained(self.train(save, train_iters=3, **flags))
        for preflight in ("full", "off"):  # seen before the run starts, and when it writes
            result = self.train(save, preflight=preflight, **flags)
            self.assert_refused(result, "checkpoint of step 6", save,
                                "step_00000003 stays the latest")
        with open(os.path.join(save, "latest"), encoding="utf-8") as file:
            self.assertEqual(file.read().strip(), "step_00000003")
        self.assertEqual([n for n in os.listdir(save) if n.startswith("step_")], ["step_00000003"])
        subprocess.run(["mount", "-o", "remount,size=30m", save], check=True)
        self.assert_trained(self.train(save, **flags))

    def test_a_directory_in_use_by_another_run(self):
        save = self.path("in-use")
        os.mkdir(save)
        with open(os.path.join(save, "run.lock"), "w", encoding="utf-8") as file:
            file.write("process 1234 on elsewhere")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_SH)
            result = self.train(save, ranks=2, context_parallel_size=2)
        self.assert_refused(result, "--save", "in use by another run", "process 1234 on elsewhere")
        self.assert_trained(self.train(save, ranks=2, context_parallel_size=2))

    # ---- checkpoints
    def checkpoint(self, name):
        """A copy of a save directory with checkpoints of steps 3 and 6, written by two ranks."""
        original = self.path("original")
        if not os.path.exists(original):
            self.assert_trained(self.train(original, ranks=2, context_parallel_size=2))
        save = self.path(name)
        shutil.copytree(original, save)
        return save, os.path.join(save, "step_00000006")

    def test_damaged_checkpoints(self):
        def remove(path):
            os.remove(path)

        def truncate(path):
            os.truncate(path, os.path.getsize(path) // 2)

        def flip(path):
            with open(path, "r+b") as file:
                file.seek(os.path.getsize(path) - 5000)
                byte = file.read(1)
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte[0] ^ 1]))

        for damage in (remove, truncate, flip):
            save, step = self.checkpoint("damaged-" + damage.__name__)
            damage(os.path.join(step, "shard_00001.h5"))
            result = self.train(save, ranks=2, context_parallel_size=2, train_iters=9)
            self.assert_refused(result, "shard_00001.h5", "step_00000003")
            verified = harness.run("inspect", save, "--verify", "true")
            self.assertNotEqual(verified.returncode, 0)
            self.assertIn("shard_00001.h5", verified.stdout + verified.stderr)
            # What the message advises works.
            again = self.train(save, ranks=2, context_parallel_size=2, train_iters=9,
                               resume=os.path.join(save, "step_00000003"))
            self.assert_trained(again)

    def test_resume_with_another_model_or_data(self):
        save, _ = self.checkpoint("another")
        other = self.broken_model("other-model")
        config_file = os.path.join(other, "config.json")
        with open(config_file, encoding="utf-8") as file:
            config = json.load(file)
        config["rope_theta"] = 5000.0
        with open(config_file, "w", encoding="utf-8") as file:
            json.dump(config, file)
        rows = self.path("other-rows.jsonl")
        harness.write_rows(rows, 40, seed=9)
        changes = {
            "rope_theta": dict(model=other), "data.files": dict(dataset=rows),
            "data.seed": dict(seed=8), "data.global_bs": dict(global_bs=2),
            "data.max_length": dict(max_length=512),
        }
        for word, change in changes.items():
            result = self.train(save, ranks=2, context_parallel_size=2, train_iters=9, **change)
            self.assert_refused(result, word, "--save")

    def test_resume_flags(self):
        save, _ = self.checkpoint("flags")
        self.assert_refused(self.train(save, ranks=2, context_parallel_size=2, resume="none"),
                            "--resume none", "step_00000006")
        self.assert_refused(self.train(self.path("new"), ranks=2, context_parallel_size=2,
                                       resume=self.path("nowhere")), "--resume", "nowhere")

    # ---- other commands
    def test_commands(self):
        result = harness.run("trian")
        self.assert_refused(result, "trian", "--help")
        for command in ("init", "import", "export", "data", "train"):
            self.assertNotEqual(harness.run(command, "--no_such_flag", "1").returncode, 0, command)
        result = harness.run("inspect", self.path("nothing-here"))
        self.assert_refused(result, "nothing-here")
        result = harness.run("export", "--checkpoint", self.path("nothing-here"), "--output",
                             self.path("out"))
        self.assert_refused(result, "nothing-here")


if __name__ == "__main__":
    unittest.main(verbosity=2)
