"""longhaul bench: tables and JSON files are complete and plausible, and bad flags are refused."""
import json
import os
import unittest

import harness


class Bench(harness.ProgramTest):
    def bench(self, name, *flags, ranks=None):
        """Runs a benchmark; what it printed, and what it wrote as JSON."""
        file = self.path(f"{name}.json")
        result = harness.run("bench", name, "--backend", "cpu", "--json", file, *flags, ranks=ranks)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        with open(file, encoding="utf-8") as stream:
            report = json.load(stream)
        self.assertEqual(report["benchmark"], name)
        self.assertIn("cpu", report["device"])
        self.assertIn(report["device"], result.stdout)
        self.assertEqual(report["arguments"]["backend"], "cpu")
        self.assertGreater(len(report["rows"]), 0)
        return result.stdout, report

    def refuse(self, *arguments, words, ranks=None):
        result = harness.run("bench", *arguments, ranks=ranks)
        self.assert_refused(result, *words)
        self.assertNotEqual(result.returncode, 0)

    @property
    def config_file(self):
        return self.path("config.json")

    # ---- single ops
    def test_kernels(self):
        table, report = self.bench("kernels", "--config", self.config_file, "--tokens", 64,
                                   "--copy_size", "1MiB", "--seconds", 0.002)
        names = [row["op"] for row in report["rows"]]
        self.assertEqual(len(names), len(set(names)))
        for op in ("copy_on_device", "rms_norm_forward", "rms_norm_backward, accumulate",
                   "head_norm_rope_backward, k", "swiglu_backward", "embedding_backward",
                   "cross_entropy_partials", "cross_entropy_combine", "cross_entropy_backward",
                   "gather_rows", "scatter_rows", "reorder_chunks", "add", "accumulate",
                   "bias_backward", "adamw", "sum_of_squares", "weighted_sum"):
            self.assertIn(op, names)
            self.assertIn("\n" + op, table)
        for row in report["rows"]:
            self.assertGreater(row["bytes"], 0)
            self.assertGreater(row["microseconds"], 0)
            self.assertAlmostEqual(row["gb_per_second"], row["bytes"] / row["microseconds"] * 1e-3,
                                   delta=1e-6 * row["gb_per_second"])
            share = row["gb_per_second"] / report["results"]["copy_gb_per_second"]
            self.assertAlmostEqual(row["percent_of_copy"], 100 * share, delta=1e-4 * share)
        self.assertAlmostEqual(report["rows"][0]["percent_of_copy"], 100.0)
        norm = report["rows"][names.index("rms_norm_forward")]
        self.assertEqual(norm["bytes"], 4 * (2 * 64 * 64 + 64 + 64))
        self.assertEqual(report["arguments"]["tokens"], 64)

    def test_kernels_of_one_kind(self):
        _, report = self.bench("kernels", "--config", os.path.dirname(self.config_file), "--tokens", 8,
                               "--only", "swiglu", "--copy_size", "64kB", "--seconds", 0.001)
        self.assertEqual([row["op"] for row in report["rows"]],
                         ["copy_on_device", "swiglu_forward", "swiglu_backward"])

    def test_gemm(self):
        _, report = self.bench("gemm", "--config", self.config_file, "--tokens", 32, "--seconds", 0.002,
                               "--tensor_model_parallel_size", 2)
        self.assertEqual([row["linear"] for row in report["rows"]][::3],
                         ["q", "kv", "o", "gate_up", "down", "head"])
        for row in report["rows"]:
            flops = 2 * row["tokens"] * row["out"] * row["in"]
            self.assertAlmostEqual(row["tflops"], flops / row["microseconds"] * 1e-6,
                                   delta=1e-6 * row["tflops"])
        self.assertEqual(report["rows"][9]["out"], 2 * 512 // 2)
        rates = [row["tflops"] for row in report["rows"]]
        self.assertAlmostEqual(report["results"]["tflops_mean"], sum(rates) / 18, places=9)
        self.assertLess(min(rates), report["results"]["tflops_weighted"])
        self.assertGreater(max(rates), report["results"]["tflops_weighted"])

    def test_attention(self):
        lengths = self.path("lengths.txt")
        with open(lengths, "w", encoding="utf-8") as file:
            file.write("20\n100\n8\n")
        shape = ["--heads", 4, "--kv_heads", 2, "--head_dim", 16, "--seconds", 0.002]
        _, report = self.bench("attention", "--lengths_file", lengths, *shape,
                               "--pack_against_equal", "true")
        passes = [(row["documents"], row["pass"], row["count"]) for row in report["rows"]]
        self.assertEqual(passes, [("given", "forward", 3), ("given", "backward", 3),
                                  ("equal", "forward", 2), ("equal", "backward", 2)])
        pairs = (20 * 21 + 100 * 101 + 8 * 9) / 2
        self.assertEqual(report["rows"][0]["flops"], 4 * 4 * 16 * pairs)
        self.assertEqual(report["rows"][1]["flops"], 10 * 4 * 16 * pairs)
        self.assertGreater(report["results"]["forward_against_equal"], 0)
        _, report = self.bench("attention", "--tokens", 64, "--documents", 4, *shape)
        self.assertEqual(report["rows"][0]["flops"], 4 * 4 * 16 * 4 * 16 * 17 / 2)

    # ---- ranks
    def test_collectives(self):
        table, report = self.bench("collectives", "--min_size", "4KiB", "--max_size", "64KiB",
                                   "--seconds", 0.002, "--tensor_model_parallel_size", 2, ranks=4)
        self.assertEqual(table.count("algbw"), 1, "one rank prints")
        groups = {row["group"]: row["ranks"] for row in report["rows"]}
        self.assertEqual(groups, {"tp": 2, "dp_cp = weights": 2, "world": 4})
        kinds = {(row["collective"], row["dtype"]) for row in report["rows"]}
        # MPI cannot add bf16.
        self.assertEqual(kinds, {("all_gather", "bfloat16"), ("all_gather", "float32"),
                                 ("reduce_scatter", "float32"), ("all_reduce", "float32")})
        self.assertEqual(len(report["rows"]), 3 * 4 * 3)
        for row in report["rows"]:
            self.assertIn(row["bytes"], (4096, 16384, 65536))
            self.assertEqual(row["wrong"], 0)
            self.assertAlmostEqual(row["algbw"], row["bytes"] / row["microseconds"] * 1e-3,
                                   delta=1e-6 * row["algbw"])
            factor = (row["ranks"] - 1) / row["ranks"] * (2 if row["collective"] == "all_reduce" else 1)
            self.assertAlmostEqual(row["busbw"], row["algbw"] * factor, delta=1e-6 * row["algbw"])

    STEP = ["--tokens", 64, "--documents", 2, "--steps", 3, "--warmup", 1, "--lr", 1e-3]

    def test_step(self):
        table, report = self.bench("step", "--config", self.config_file, *self.STEP,
                                   "--micro_batches", 2)
        self.assertEqual([row["step"] for row in report["rows"]], [1, 2, 3, 4])
        self.assertEqual([row["warmup"] for row in report["rows"]], [True, False, False, False])
        losses = [row["loss"] for row in report["rows"]]
        self.assertEqual(losses, sorted(losses, reverse=True))
        self.assertAlmostEqual(losses[0], 5.64, delta=0.1)  # ln 282
        results = report["results"]
        self.assertEqual(results["tokens"], 128)
        self.assertEqual(results["head_rows"], 4 * 31)
        self.assertAlmostEqual(results["tokens_per_second"], 128 / results["milliseconds"] * 1e3,
                               delta=1e-6 * results["tokens_per_second"])
        self.assertIsNone(results["mfu_percent"])  # nobody knows a CPU's peak
        self.assertGreater(results["planned_bytes"], 0)
        self.assertGreater(results["reported_bytes"], 0)
        self.assertIn("tokens/s", table)
        self.assertIn("planned", table)
        for row in report["rows"]:
            phases = sum(row[f"{phase}_milliseconds"] for phase in
                         ("data", "forward", "backward", "communication", "optimizer"))
            self.assertLessEqual(phases, row["milliseconds"] * 1.001)

    def test_every_layout_steps_the_same_model(self):
        losses = []
        for ranks, flags in ((1, []), (2, ["--tensor_model_parallel_size", 2]),
                             (4, ["--tensor_model_parallel_size", 2, "--context_parallel_size", 2])):
            _, report = self.bench("step", "--config", self.config_file, *self.STEP, *flags,
                                   "--recompute_granularity", "selective", ranks=ranks)
            losses.append([row["loss"] for row in report["rows"]])
            self.assertEqual(report["results"]["devices"], ranks)
            self.assertEqual(report["results"]["recompute_granularity"], "selective")
        self.close(losses[1], losses[0], 1e-4)
        self.close(losses[2], losses[0], 1e-4)

    def test_step_takes_a_model(self):
        """The weights of a directory, fewer layers, another head, part of the loss."""
        _, first = self.bench("step", "--config", self.model, "--weights", self.model, *self.STEP)
        _, second = self.bench("step", "--config", self.model, *self.STEP)
        self.assertNotEqual(first["rows"][0]["loss"], second["rows"][0]["loss"])
        _, less = self.bench("step", "--config", self.model, *self.STEP, "--layers", 1,
                             "--tie_word_embeddings", "false", "--loss_share", 0.5)
        self.assertLess(less["results"]["head_rows"], 34)
        self.assertGreater(second["results"]["model_flops"], less["results"]["model_flops"])

    # ---- data
    def test_tokenizer(self):
        """Three kinds of work on the same rows; the hash is that of the ids that data encode gives."""
        file = self.path("tokenizer.json")
        rows = self.path("one_bad_row.jsonl")
        with open(self.rows, encoding="utf-8") as good, open(rows, "w", encoding="utf-8") as both:
            both.write("not a row\n" + good.read())
        result = harness.run("bench", "tokenizer", "--model", self.model, "--input", rows,
                             "--seconds", 0.01, "--json", file)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(file, encoding="utf-8") as stream:
            report = json.load(stream)
        texts = [json.loads(line)["text"] for line in
                 harness.run("data", "render", "--model", self.model, "--input", self.rows).stdout.splitlines()]
        results = report["results"]
        self.assertEqual((results["rows"], results["rows_left_out"]), (len(texts), 1))
        self.assertEqual(results["bytes"], sum(len(text.encode()) for text in texts))
        encoded = harness.run("data", "encode", "--model", self.model,
                              input="".join(json.dumps({"text": text}) + "\n" for text in texts)).stdout
        ids = [token for line in encoded.splitlines() for token in json.loads(line)["ids"]]
        self.assertEqual(results["tokens"], len(ids))
        fnv = 0xcbf29ce484222325
        for byte in b"".join(token.to_bytes(4, "little") for token in ids):
            fnv = (fnv ^ byte) * 0x100000001b3 % 2 ** 64
        self.assertEqual(results["ids_fnv1a64"], f"{fnv:016x}")
        self.assertEqual([row["work"] for row in report["rows"]],
                         ["tokenize, cold word cache", "tokenize, warm word cache", "parse, render and tokenize"])
        for row in report["rows"]:
            self.assertGreaterEqual(row["passes"], 3)
            self.assertAlmostEqual(row["tokens_per_second"] * row["seconds"], len(ids), delta=1e-6 * len(ids))
            self.assertIn(row["work"], result.stdout)

    # ---- mistakes
    def test_help(self):
        result = harness.run("bench", "--help")
        self.assertEqual(result.returncode, 0)
        for name in ("kernels", "gemm", "attention", "collectives", "step", "tokenizer"):
            self.assertIn(f"  {name} ", result.stdout)
            text = harness.run("bench", name, "--help").stdout
            self.assertIn(f"Usage: longhaul bench {name}", text)
            self.assertIn("--json", text)
            self.assertEqual("--attention_backend" in text, name != "tokenizer")

    def test_bad_flags(self):
        config = ["--config", self.config_file]
        self.refuse(words=["which benchmark", "collectives"])
        self.refuse("kernel", words=["unknown benchmark 'kernel'", "kernels"])
        self.refuse("kernels", words=["--config is missing"])
        self.refuse("kernels", "--config", self.path("nowhere"), words=["--config", "nowhere"])
        self.refuse("kernels", *config, "--tokns", 4, words=["--tokns", "--tokens", "bench kernels"])
        self.refuse("kernels", *config, "--tokens", 0, words=["--tokens 0"])
        self.refuse("kernels", *config, "--seconds", 0, words=["--seconds 0"])
        self.refuse("kernels", *config, "--copy_size", "much", words=["--copy_size"])
        self.refuse("kernels", *config, "--backend", "cuda", words=["--backend cuda"])
        self.refuse("kernels", *config, "--json", self.path("no", "such", "folder"), words=["folder"])
        self.refuse("kernels", *config, words=["one device"], ranks=2)
        self.refuse("gemm", *config, "--tensor_model_parallel_size", 3, words=["4 attention heads"])
        self.refuse("attention", "--heads", 3, "--kv_heads", 2, words=["--heads 3", "multiple"])
        self.refuse("attention", "--lengths", "3,x", words=["--lengths", "'x'"])
        self.refuse("attention", "--cp_rank", 1, words=["--cp_rank 1"])
        self.refuse("collectives", words=["one rank", "mpirun"])
        self.refuse("collectives", "--min_size", "2MB", "--max_size", "1MB", words=["--min_size"], ranks=2)
        self.refuse("step", *config, "--loss_share", 0, words=["--loss_share 0"], ranks=2)
        self.refuse("step", *config, "--tie_word_embeddings", "maybe", words=["true or false"])
        self.refuse("step", *config, "--steps", 0, words=["--steps 0"])
        self.refuse("step", *config, "--recompute_granularity", "some", words=["selective"])
        self.refuse("step", *config, "--tensor_model_parallel_size", 2, words=["multiple of 2"], ranks=3)

        self.refuse("tokenizer", words=["--model is missing"])
        self.refuse("tokenizer", "--model", self.model, words=["--input is missing"])
        self.refuse("tokenizer", "--model", self.model, "--input", self.config_file, words=["no row"])

    def test_what_does_not_fit_is_refused_with_the_plan(self):
        self.refuse("step", "--config", self.config_file, "--tokens", 1 << 28, "--layers", 1000,
                    words=["does not fit", "optimizer state", "in all", "--tokens"], ranks=2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
