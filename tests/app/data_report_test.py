"""data prepare, stats and where: what they say must be what training does."""
import json
import os
import shutil
import unittest

import harness


class DataReport(harness.ProgramTest):
    def data(self, *arguments, ranks=None):
        return harness.run("data", *arguments, ranks=ranks)

    def answer(self, *arguments):
        result = self.data(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def where(self, save, *question):
        return json.loads(self.answer("where", "--save", save, *question, "--json"))

    def report(self, save):
        with open(os.path.join(save, "data_report.json"), encoding="utf-8") as file:
            return json.load(file)

    def assert_log_is_explained(self, save):
        """Every step of the log has the rows that `where` says, and every row its steps."""
        log = harness.read_log(save)
        steps_of = {}
        for line in log:
            step = self.where(save, "--step", line["step"])
            self.assertEqual(step["total_steps"], log[-1]["total_steps"])
            self.assertEqual(len(step["packs"]), line["packs"])
            rows = [row for pack in step["packs"] for row in pack["rows"]]
            self.assertEqual(len(rows), line["samples"])
            self.assertEqual(sum(row["tokens"] for row in rows), line["tokens"])
            for pack in step["packs"]:
                self.assertIn(line["step"], pack["steps"])
            for row in rows:
                steps_of.setdefault(row["id"], []).append(line["step"])
        for name in list(steps_of)[:3]:
            found = self.where(save, "--id", name)
            steps = [step for row in found["rows"] for pack in row["packs"] for step in pack["steps"]]
            self.assertEqual(sorted(s for s in steps if s <= log[-1]["step"]), steps_of[name])
        return log, steps_of

    def test_where_explains_the_log(self):
        save = self.path("explained")
        self.assert_trained(self.train(save, ranks=2, train_iters=None, epochs=2, global_bs=3,
                                       max_length=512, split_dataset_ratio=0.1, save_interval=100,
                                       packing="balanced"))
        log, steps_of = self.assert_log_is_explained(save)
        self.assertEqual(len(steps_of), 54)
        self.assertTrue(all(len(steps) == 2 for steps in steps_of.values()))
        report = self.report(save)
        self.assertEqual(report["steps"]["total"], len(log))
        self.assertEqual(report["steps"]["layout"], {"tp": 1, "cp": 1, "dp": 2})
        half = len(log) // 2
        self.assertEqual(report["training"]["tokens"], sum(line["tokens"] for line in log[:half]))
        self.assertEqual(report["training"]["trained_tokens"],
                         sum(line["trained_tokens"] for line in log[:half]))
        padding = sum(line["padding_tokens"] for line in log[:half])
        self.assertAlmostEqual(report["steps"]["padding_share"],
                               padding / (padding + report["training"]["tokens"]), places=12)
        with open(self.rows, encoding="utf-8") as file:
            ids = [json.loads(line)["id"] for line in file]
        missing = [name for name in ids if name not in steps_of]
        self.assertEqual(len(missing), 6)
        for name in missing:
            self.assertEqual(self.where(save, "--id", name)["rows"][0]["use"], "validation")

    def test_where_explains_a_resumed_run(self):
        save = self.path("resumed")
        flags = dict(global_bs=2, max_length=512, save_interval=2, truncation_strategy="left")
        self.assert_trained(self.train(save, train_iters=4, **flags))
        before = [self.where(save, "--step", step) for step in range(1, 5)]
        self.assert_trained(self.train(save, ranks=2, train_iters=9, **flags))
        log, _ = self.assert_log_is_explained(save)
        self.assertEqual(len(log), 9)
        for step, earlier in enumerate(before, start=1):
            now = self.where(save, "--step", step)
            self.assertEqual([(p["pack"], p["rows"]) for p in now["packs"]],
                             [(p["pack"], p["rows"]) for p in earlier["packs"]])

    def test_train_takes_what_prepare_made(self):
        save = self.path("prepared")
        flags = ["--model", self.model, "--dataset", self.rows, "--max_length", 512, "--seed", 7,
                 "--global_bs", 4, "--train_iters", 6]
        made = self.data("prepare", *flags, "--save", save, ranks=2)
        self.assertEqual(made.returncode, 0, made.stderr)
        for word in ("rows.jsonl", "lengths", "packs", "steps", "training"):
            self.assertIn(word, made.stdout)
        planned = self.report(save)
        step = self.where(save, "--step", 3)
        trained = self.train(save, max_length=512)
        self.assert_trained(trained)
        self.assertIn("tokens are taken from", trained.stderr)
        self.assertEqual(self.where(save, "--step", 3), step)
        report = self.report(save)
        for key in ("files", "rows", "rejected", "training", "lengths", "packs", "duplicate_ids"):
            self.assertEqual(report[key], planned[key], key)
        self.assert_log_is_explained(save)

        # The same cache from one process, for several runs to share.
        shared = self.path("shared")
        alone = self.data("prepare", *flags, "--token_cache_dir", shared)
        self.assertEqual(alone.returncode, 0, alone.stderr)
        name = next(n for n in os.listdir(shared) if n.endswith(".h5"))
        with open(os.path.join(shared, name), "rb") as one:
            with open(os.path.join(save, "cache", name), "rb") as two:
                self.assertEqual(one.read(), two.read())
        self.assertEqual(self.where(shared, "--step", 3), step)

    def test_stats_says_the_same_and_leaves_nothing(self):
        bad = self.path("bad.jsonl")
        shutil.copy(self.rows, bad)
        with open(bad, "a", encoding="utf-8") as file:
            file.write('no JSON\n{"id": "row-3", "messages": [{"role": "user", "content": "?"}, '
                       '{"role": "assistant", "content": "!", "loss": 0.25}]}\n')
        flags = ["--model", self.model, "--max_length", 100, "--truncation_strategy", "right",
                 "--global_bs", 4, "--packing", "balanced"]
        save = self.path("stats")
        made = self.data("prepare", *flags, "--dataset", bad, self.rows, "--save", save)
        self.assertEqual(made.returncode, 0, made.stderr)
        expected = self.report(save)
        del expected["order"]
        before = set(os.listdir(self.folder))
        counted = self.answer("stats", bad, self.rows, *flags, "--json")
        self.assertEqual(json.loads(counted), expected)
        table = self.answer("stats", bad, self.rows, *flags)
        self.assertEqual(table, made.stdout)
        self.assertEqual(set(os.listdir(self.folder)), before)
        self.assertEqual(expected["rows"]["read"], 122)
        self.assertEqual(expected["rows"]["read"],
                         expected["rows"]["kept"] + expected["rows"]["rejected"])
        self.assertEqual(expected["duplicate_ids"]["rows"], 61)
        self.assertEqual(expected["rejected"]["not JSON"], 1)
        self.assertGreater(expected["rows"]["cut"], 0)
        self.assertNotEqual(expected["training"]["weight_sum"], expected["training"]["trained_tokens"])
        self.assertIn("weights add up to", table)
        self.assertIn("same id", table)

    def test_rows_that_another_stack_drops_are_listed(self):
        """swift modes keep a nudge after a tool result and say so; --strict_parity drops it."""
        rows, save = self.path("nudge.jsonl"), self.path("nudge")
        messages = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"},
                    {"role": "tool", "content": "r"}, {"role": "user", "content": "go on"},
                    {"role": "assistant", "content": "b"}]
        with open(rows, "w", encoding="utf-8") as file:
            for name, kept in (("nudge", messages), ("plain", messages[:2])):
                file.write(json.dumps({"id": name, "messages": kept}) + "\n")
        flags = ("--model", self.model, "--dataset", rows, "--max_length", 512,
                 "--template_mode", "swift-3.13")
        for strict, expected in (("false", "kept, but swift-3.13 drops it: a user message right after a "
                                  "tool result"),
                                 ("true", "swift-3.13 drops it: a user message right after a tool result")):
            for _ in range(2):  # tokenized, then from the cache
                result = harness.run("data", "prepare", "--save", save, *flags, "--strict_parity", strict)
                self.assertEqual(result.returncode, 0, result.stderr)
                with open(os.path.join(save, "rejected.jsonl"), encoding="utf-8") as file:
                    listed = [json.loads(line) for line in file]
                self.assertEqual([(row["id"], row["reason"]) for row in listed], [("nudge", expected)])
            with open(os.path.join(save, "data_report.json"), encoding="utf-8") as file:
                report = json.load(file)
            self.assertEqual(report["rows"]["kept"], 2 if strict == "false" else 1)
            fate = self.where(save, "--id", "nudge")
            self.assertIn(expected, json.dumps(fate))
            self.assertIn(expected, self.answer("where", "--save", save, "--id", "nudge"))
            self.assertEqual(list(report["noted"]), [expected] if strict == "false" else [])
        result = harness.run("data", "stats", rows, *flags[:2], *flags[4:])
        self.assertIn("kept, but swift-3.13 drops it", result.stdout)

    def test_drawn_rows(self):
        other = self.path("other.jsonl")
        harness.write_rows(other, 10, seed=5)
        save = self.path("drawn")
        flags = dict(dataset=None, max_length=512, global_bs=2, train_iters=None, epochs=1,
                     save_interval=100)
        sources = ["--dataset", self.rows + "#20", other + "#25"]
        result = harness.run("train", *self.train_flags(save, **flags), *sources, ranks=1)
        self.assert_trained(result)
        log, _ = self.assert_log_is_explained(save)
        self.assertEqual(log[-1]["consumed_samples"], 45)
        first = self.where(save, "--step", 1)
        report = self.report(save)
        self.assertEqual([f["rows"]["not_drawn"] for f in report["files"]], [40, 0])
        self.assertEqual([f["rows"]["copies"] for f in report["files"]], [0, 15])
        self.assertEqual([f["used"]["samples"] for f in report["files"]], [20, 25])

        # Another number of rows is another order of the data: the run cannot go on with it.
        again = harness.run("train", *self.train_flags(save, **{**flags, "epochs": 2}), "--dataset",
                            self.rows + "#21", other + "#25", ranks=1)
        self.assert_refused(again, "20 rows drawn", "21 rows drawn")
        # The report is now of that start, not of the run.
        self.assert_refused(self.data("where", "--save", save, "--step", 1), "20 rows drawn",
                            "21 rows drawn", "data prepare")
        made = self.data("prepare", "--model", self.model, *sources, "--save", save,
                         "--max_length", 512, "--global_bs", 2, "--seed", 7)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(self.where(save, "--step", 1), first)

    def test_questions_that_have_no_answer(self):
        self.assert_refused(self.data("where", "--save", self.path("nowhere"), "--step", 1),
                            "data_report.json", "there is no such file")
        save = self.path("asked")
        made = self.data("prepare", "--model", self.model, "--dataset", self.rows, "--save", save)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assert_refused(self.data("where", "--save", save, "--id", "nobody"), "no row has this id")
        self.assert_refused(self.data("where", "--save", save, "--step", 0), "steps 1 to")
        self.assert_refused(self.data("where", "--save", save), "--id, --step and --pack")
        self.assert_refused(self.data("prepare", "--model", self.model, "--dataset", self.rows),
                            "--save or --token_cache_dir")
        self.assert_refused(self.data("stats", "--model", self.model, self.rows + "#0"),
                            "number after #")
        self.assert_refused(self.data("stats", "--model", self.model, self.rows, "--packing", "best"),
                            "choose true, balanced or false")
        text = self.answer("where", "--save", save, "--id", "row-1")
        self.assertIn("trained on in step", text)
        self.assertIn(self.rows + ":2", text)
        self.assertIn("row-1 ", self.answer("where", "--save", save, "--pack", 0))


if __name__ == "__main__":
    unittest.main(verbosity=2)
