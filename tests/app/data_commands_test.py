"""longhaul data check, show and diff-template as their users meet them: text, exit codes, mistakes."""
import json
import os
import pty
import re
import subprocess
import unittest

import harness


def row(name, *messages, **more):
    """A row of (role, content) pairs; a message may also be given whole."""
    found = [m if isinstance(m, dict) else {"role": m[0], "content": m[1]} for m in messages]
    return {**({} if name is None else {"id": name}), "messages": found, **more}


GOOD = row("good", ("user", "q"), ("assistant", "fine"))
BIG_ID = 123456789012345678901234567890


class DataCommand(harness.ProgramTest):
    def write(self, name, *lines):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            for line in lines:
                file.write((line if isinstance(line, str) else json.dumps(line)) + "\n")
        return path

    def data(self, *arguments, code=0, **options):
        result = harness.run("data", *arguments, **options)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout

    def refused(self, *arguments, words):
        """A user's mistake: one message with all the words, exit code 2, nothing on standard output."""
        result = harness.run("data", *arguments)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        self.assertEqual(result.stdout, "")
        self.assert_refused(result, *words)


class Dispatcher(DataCommand):
    def test_help_lists_the_actions(self):
        text = self.data("--help")
        for action in ("encode", "decode", "render", "check", "show", "diff-template"):
            self.assertIn(f"\n  {action} ", text)
            own = self.data(action, "--help")
            self.assertIn(f"longhaul data {action}", own)
        self.assertIn("--rejected", self.data("check", "--help"))
        self.assertNotIn("--rejected", self.data("show", "--help"))
        self.assertNotIn("--template_mode", self.data("encode", "--help"))

    def test_mistakes(self):
        nothing = harness.run("data")
        self.assertEqual(nothing.returncode, 2)
        self.assertIn("Actions:", nothing.stderr)
        self.refused("chek", words=["chek", "did you mean check?", "known: encode, decode, render"])
        self.refused("--model", self.model, words=["the action comes first", "known: encode"])
        self.refused("check", self.rows, "--exmples", "3",
                     words=["--exmples", "did you mean --examples", "longhaul data check --help"])
        self.refused("encode", "--model", self.model, "extra", words=["too many arguments"])


class Check(DataCommand):
    def test_accepted(self):
        text = self.data("check", self.rows)
        self.assertRegex(text, r"rows\.jsonl +60 +60 +60 +0\n")
        self.assertNotIn("Rejected\n", text)

    def mixed(self):
        one = self.write("one.jsonl", GOOD, "not json", row(BIG_ID, ("judge", "\x1b[31m")), "",
                         row("open", ("assistant", "x<|im_end|>"), ("user", "q")))
        two = self.write("two.jsonl", row("good", ("user", "q"), ("assistant", "other")),
                         row(None, ("assistant", "a")), row("r\x1b[2J", ("jury", "q")))
        return one, two

    def test_rejected_rows_and_oddities_of_several_files(self):
        one, two = self.mixed()
        json_file, rejected = self.path("check.json"), self.path("rejected.jsonl")
        text = self.data("check", one, two, "--json", json_file, "--rejected", rejected, code=1)
        self.assertRegex(text, r"one\.jsonl +5 +4 +2 +2\n")
        self.assertRegex(text, r"two\.jsonl +3 +3 +2 +1\n")
        self.assertRegex(text, r"\nall +8 +7 +4 +3\n")
        self.assertIn('2 x messages[N]: unknown role "..."', text)
        self.assertIn(f"{one}:3: {BIG_ID}: messages[0]: unknown role \"judge\"", text)
        self.assertIn(f"{one}:2: not JSON", text)
        self.assertIn('1 x assistant text contains "<|im_end|>"', text)
        self.assertIn("1 x the conversation ends with a user message", text)
        self.assertIn(f"good: {one}:1 and {two}:1", text)
        self.assertIn("r\\u001b[2J", text)
        self.assertNotIn("\x1b", text)

        with open(json_file, encoding="utf-8") as file:
            result = json.load(file)
        self.assertEqual((result["rows"], result["accepted"], result["rejected"]), (7, 4, 3))
        self.assertEqual([f["lines"] for f in result["files"]], [5, 3])
        self.assertEqual(sum(group["rows"] for group in result["rejections"]), 3)
        self.assertEqual(result["duplicate_ids"]["examples"],
                         [{"id": "good", "first": {"file": one, "line": 1},
                           "again": {"file": two, "line": 1}}])
        self.assertEqual(result["rows_without_id"], 1)
        with open(rejected, encoding="utf-8") as file:
            listed = [json.loads(line) for line in file]
        self.assertEqual([(r["file"], r["line"], r["id"]) for r in listed],
                         [(one, 2, None), (one, 3, str(BIG_ID)), (two, 3, "r\x1b[2J")])
        self.assertEqual({r["length"] for r in listed}, {None})
        self.assertEqual(json.loads(self.data("check", one, two, "--json", "-", code=1)), result)

    def test_examples(self):
        path = self.write("bad.jsonl", *["{"] * 9)
        self.assertEqual(self.data("check", path, code=1).count("bad.jsonl:"), 5)
        text = self.data("check", path, "--examples", 2, code=1)
        self.assertEqual(text.count("bad.jsonl:"), 2)
        self.assertIn("… and 7 other rows", text)
        self.assertEqual(self.data("check", path, "--examples", 0, code=1).count("bad.jsonl:"), 0)

    def test_threads_change_nothing(self):
        path = self.path("many.jsonl")
        harness.write_rows(path, 8000)
        with open(path, "a", encoding="utf-8") as file:
            file.write("broken\n")
        one = self.data("check", path, "--threads", 1, code=1)
        self.assertEqual(self.data("check", path, "--threads", 3, code=1), one)
        self.assertIn("many.jsonl:8001: not JSON", one)

    def test_standard_input(self):
        one, _ = self.mixed()
        with open(one, encoding="utf-8") as file:
            text = self.data("check", "-", code=1, stdin=file)
        self.assertRegex(text, r"\nstdin +5 +4 +2 +2\n")
        self.assertIn("stdin:2: not JSON", text)
        self.refused("check", one, "-", words=["standard input", "alone"])

    def test_mistakes(self):
        self.refused("check", words=["which files?"])
        self.refused("check", self.rows, self.path("absent.jsonl"), words=["absent.jsonl"])
        self.refused("check", self.folder, words=["is a directory"])
        self.refused("check", self.write("empty.jsonl"), words=["empty.jsonl", "is empty"])
        self.refused("check", self.rows, "--examples=-1", words=["--examples"])
        self.refused("check", self.rows, "--threads=-1", words=["--threads"])
        self.refused("check", self.rows, "--examples", "some", words=["examples"])
        self.refused("check", self.rows, "--json", self.rows, words=["--json", "files to check"])
        self.refused("check", self.rows, "--rejected", self.rows, words=["--rejected", "files to check"])
        self.refused("check", self.rows, "--rejected", "/dev/null", words=["not a regular file"])
        self.refused("check", self.rows, "--json", self.folder, words=["not a regular file"])
        self.refused("check", self.rows, "--json", self.path("x"), "--rejected", self.path("x"),
                     words=["--json", "--rejected"])
        self.refused("check", self.rows, "--rejected", self.path("no", "such", "folder"),
                     words=["no/such/folder"])
        self.refused("check", self.rows, "--json", self.path("no", "such", "file"), words=["--json", "no/such"])
        self.assertEqual(self.data("check", self.rows)[:4], "file")  # the rows are as they were


class Show(DataCommand):
    def show(self, *arguments, **options):
        return self.data("show", "--model", self.model, *arguments, **options)

    def rows_file(self):
        call = {"role": "assistant", "content": "Look.", "loss": 0.5,
                "tool_calls": [{"name": "f", "arguments": {"x": "ü"}}]}
        return self.write("show.jsonl", row("first", ("user", "q"), ("assistant", "one")), "",
                          row(BIG_ID, ("user", "q" * 5000), call, ("tool", "\x1b[31mred\r")),
                          "not json", row("first", ("assistant", "again")),
                          row(None, ("user", "no answer")))

    def test_the_first_row(self):
        text = self.show(self.rows_file())
        head, _, body = text.partition("\n\n")
        self.assertRegex(head, r"id +first\nplace +.*show\.jsonl:1\nmessages +2 \(1 user, 1 assistant\), "
                               r"0 tools\ntokens +\d+, \d+ of them trained \([\d.]+ %\)\ntemplate +qwen3")
        self.assertEqual(body, "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n⟦<think>\n\n</think>"
                               "\n\none<|im_end|>⟧\n")

    def test_the_ways_to_name_a_row(self):
        path = self.rows_file()
        by_id = self.show(path, "--id", BIG_ID)
        self.assertIn("⟦×0.5 ", by_id)
        self.assertIn('{"x": "ü"}', by_id)
        self.assertEqual(self.show(path, "--line", 3), by_id)
        self.assertEqual(self.show(path, "--index", 1), by_id)
        other = self.write("other.jsonl", GOOD)
        self.assertEqual(self.show(other, path, "--index", 2), by_id)
        self.assertIn("Nothing in this row carries loss", self.show(path, "--id", "show.jsonl:6"))
        self.assertIn("other.jsonl:1\n", self.show(path, other, "--id", "good"))
        with open(path, encoding="utf-8") as file:
            self.assertIn("stdin:3\n", self.show("-", "--line", 3, stdin=file))

    def test_rows_of_one_id(self):
        path = self.rows_file()
        text = self.show(path, "--id", "first")
        self.assertIn(f"1 other row has this id, too: {path}:5; --all", text)
        self.assertNotIn("again", text)
        for everything in (["--all"], ["--all", "true"], ["--all=true"]):
            text = self.show(path, "--id", "first", *everything)
            self.assertIn("again", text)
            self.assertNotIn("other row", text)
        self.assertNotIn("again", self.show("--all", "false", path, "--id", "first"))

    def test_a_rejected_row_is_shown_with_its_reason(self):
        text = self.show(self.rows_file(), "--line", 4)
        self.assertRegex(text, r"rejected +not JSON: .*\n\nThe line\nnot json\n")

    def test_folding(self):
        path = self.rows_file()
        text = self.show(path, "--line", 3)
        self.assertIn("[… 3005 characters are not shown …]", text)
        self.assertIn("--max_chars 0 shows all", text)
        everything = self.show(path, "--line", 3, "--max_chars", 0)
        self.assertIn("q" * 5000, everything)
        self.assertNotIn("not shown", everything)

    def test_color(self):
        path = self.rows_file()
        plain = self.show(path, "--line", 3)
        self.assertNotIn("\x1b", plain)  # not a terminal
        self.assertIn("\\u001b[31mred\\r", plain)
        colored = self.show(path, "--line", 3, "--color", "always")  # the tests set NO_COLOR
        self.assertIn("\x1b[33m", colored)
        self.assertNotIn("⟦", colored)
        self.assertEqual(set(re.findall("\x1b[^m]*m", colored)) - {
            "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[2;32m", "\x1b[2;33m"}, set())

    def on_a_terminal(self, *arguments, **environment):
        """What the program writes to a terminal."""
        reader, writer = pty.openpty()
        variables = {k: v for k, v in harness.ENVIRONMENT.items() if k != "NO_COLOR"}
        variables.update({"TERM": "xterm", **environment})
        subprocess.run(harness.command("data", "show", "--model", self.model, *arguments), env=variables,
                       stdout=writer, stderr=subprocess.DEVNULL, check=True, timeout=harness.TIMEOUT)
        os.close(writer)
        text = b""
        while True:
            try:
                part = os.read(reader, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            text += part
        os.close(reader)
        return text.decode()

    def test_a_terminal_has_color(self):
        path = self.write("small.jsonl", GOOD)
        self.assertIn("\x1b[32mfine\x1b[0m", self.on_a_terminal(path))
        self.assertIn("⟦", self.on_a_terminal(path, NO_COLOR="1"))
        self.assertIn("⟦", self.on_a_terminal(path, TERM="dumb"))
        self.assertIn("⟦", self.on_a_terminal(path, "--color", "never"))
        self.assertNotIn("⟦", self.on_a_terminal(path, "--color", "always", NO_COLOR="1"))

    def test_tokens_and_ids(self):
        path = self.write("small.jsonl", GOOD)
        text = self.show(path, "--tokens", "--ids")
        ids = json.loads(re.search(r"^ids: (\[.*\])$", text, re.M)[1])
        weights = json.loads(re.search(r"^weights: (\[.*\])$", text, re.M)[1])
        rendered = json.loads(self.data("render", "--model", self.model, "--input", path))
        self.assertEqual((ids, weights), (rendered["ids"], rendered["weights"]))
        shown = text[text.index("<|im_start|>"):text.index("\nids:")]
        self.assertEqual([int(i) for i in re.findall("‹(\\d+)›", shown)], ids)

    def test_mistakes(self):
        path = self.rows_file()
        model = ["--model", self.model]
        self.refused("show", path, words=["--model"])
        self.refused("show", *model, words=["which file?"])
        self.refused("show", *model, self.path("absent.jsonl"), words=["absent.jsonl"])
        self.refused("show", "--model", self.path("absent"), path, words=["absent"])
        self.refused("show", *model, path, "--id", "nobody", words=["nobody", path, "5 rows"])
        self.refused("show", *model, path, "--id", "", words=["--id"])
        self.refused("show", *model, path, "--line", 2, words=["--line 2", "line 1"])
        self.refused("show", *model, path, "--line", 0, words=["--line 0"])
        self.refused("show", *model, path, "--index", 5, words=["--index 5", "5 rows"])
        self.refused("show", *model, path, "--index=-1", words=["--index"])
        self.refused("show", *model, path, "--line", "x", words=["line"])
        self.refused("show", *model, path, self.rows, "--line", 1, words=["--line 1", "one file"])
        self.refused("show", *model, path, "--line", 1, "--id", "first", words=["one of them"])
        self.refused("show", *model, path, "--color", "blue", words=["--color blue", "always"])
        self.refused("show", *model, path, "--max_chars=-1", words=["--max_chars"])
        self.refused("show", *model, path, "--loss_scale", "x", words=["--loss_scale x"])
        self.refused("show", *model, self.write("blank.jsonl", "", " "), words=["blank.jsonl", "no row"])


class DiffTemplate(DataCommand):
    def compare(self, rows, reference, *more, code):
        return self.data("diff-template", "--model", self.model, "--input", rows, "--reference", reference,
                         *more, code=code)

    def rendered(self, rows):
        lines = self.data("render", "--model", self.model, "--input", rows).splitlines()
        return [json.loads(line) for line in lines]

    def test_equal(self):
        reference = self.rendered(self.rows)
        path = self.write("reference.jsonl", *reference)
        self.assertEqual(self.compare(self.rows, path, code=0), "60 rows equal\n")
        path = self.write("reversed.jsonl", *reversed(reference))
        self.assertEqual(self.compare(self.rows, path, code=0), "60 rows equal\n")
        path = self.write("texts.jsonl", *[{"text": line["text"]} for line in reference])
        self.assertEqual(self.compare(self.rows, path, code=0), "60 rows equal\n")
        with open(self.rows, encoding="utf-8") as file:
            text = self.data("diff-template", "--model", self.model, "--reference", path, stdin=file)
        self.assertEqual(text, "60 rows equal\n")

    def test_differences(self):
        rows = self.write("rows.in", GOOD, row("bad", ("judge", "q")), row("ids", ("assistant", "a")),
                          row("alone", ("assistant", "b")), row("both", ("judge", "q")),
                          row("refused", ("assistant", "c")))
        reference = {line["id"]: line for line in self.rendered(rows)}
        text = reference["good"]["text"].replace("fine", "f\u00a0ine")
        path = self.write("reference.jsonl", {"id": "good", "text": text}, {"id": "bad", "text": "x"},
                          {**reference["ids"], "ids": reference["ids"]["ids"][:-1]},
                          {"id": "both", "error": "unknown role"}, {"id": "refused", "error": "\x1b"},
                          {"id": "nobody", "text": ""}, {"id": "nothing", "text": ""})
        out = self.compare(rows, path, "--examples", 9, "--context", 12, code=1)
        byte = len(text[:text.index("f\u00a0")].encode()) + 2
        self.assertIn(f"good ({rows}:1, {path}:1)\n  differs at byte {byte}, line 8, column 2\n", out)
        self.assertIn("ours       …\\n</think>\\n\\nf▶ine<|im_end|…\n", out)
        self.assertIn("reference  …\\n</think>\\n\\nf▶\\u00a0ine<|im_end…\n", out)
        self.assertIn("rejected here: messages[0]: unknown role", out)
        self.assertIn("same text, ids differ at number", out)
        self.assertIn("reference  (end of the ids)", out)
        self.assertIn(f"alone ({rows}:4)\n  the reference has no such row", out)
        self.assertIn("refused by the reference: \\u001b", out)
        self.assertTrue(out.endswith(
            "0 rows equal, 1 refused by both, 1 with another text, 1 with the same text and other ids, "
            "1 rejected here alone, 1 refused by the reference alone, 1 missing in the reference, "
            "2 left over in the reference\n"), out)
        short = self.compare(rows, path, "--examples", 0, code=1)
        self.assertEqual(short.count("\n"), 1)

    def test_rows_for_apply_chat_template(self):
        rows = self.write("rows.in", row("judge", ("judge", "q"), ("user", "q")))
        path = self.write("reference.jsonl", {"text": "<|im_start|>user\nq<|im_end|>\n"})
        self.compare(rows, path, code=1)
        self.assertEqual(self.compare(rows, path, "--rows", "verbatim", code=0), "1 row equal\n")

    def test_mistakes(self):
        model = ["--model", self.model]
        path = self.write("reference.jsonl", {"text": ""})
        self.refused("diff-template", *model, words=["--reference"])
        self.refused("diff-template", "--reference", path, words=["--model"])
        self.refused("diff-template", *model, "--reference", self.path("absent"), words=["absent"])
        self.refused("diff-template", *model, "--reference", self.rows, words=[self.rows + ":1", "text"])
        for flag, value in (("--rows", "x"), ("--context", "0"),
                            ("--examples", "x"), ("--template_mode", "x")):
            self.refused("diff-template", *model, "--reference", path, flag, value, words=[flag[2:]])
        self.refused("diff-template", *model, "--input", self.path("absent"), "--reference", path,
                     words=["absent"])


class Dialects(DataCommand):
    NUDGE = row("nudge", ("user", "u"), ("assistant", "a"), ("tool", "r"), ("user", "go on"), ("assistant", "b"))

    def test_show_says_what_another_stack_would_do(self):
        path = self.write("nudge.jsonl", self.NUDGE)
        shown = self.data("show", "--model", self.model, path, "--template_mode", "swift-3.7",
                          "--loss_scale", "last_round")
        self.assertIn("kept, but swift-3.7 drops it: a user message right after a tool result", shown)
        self.assertIn("assistant\n⟦b<|im_end|>⟧", shown)
        shown = self.data("show", "--model", self.model, path, "--template_mode", "swift-3.7",
                          "--strict_parity", "true")
        self.assertIn("swift-3.7 drops it: a user message right after a tool result", shown)
        self.refused("show", "--model", self.model, path, "--strict_parity", "true", words=["--strict_parity"])
        self.refused("show", "--model", self.model, path, "--loss_scale", "hermes+x", words=["--loss_scale", "x"])
        self.refused("show", "--model", self.model, path, "--thinking", "no", words=["--thinking", "keep"])

    def test_a_row_for_the_template_itself_needs_hf(self):
        verbatim = self.write("verbatim.jsonl", {**self.NUDGE, "add_generation_prompt": True})
        answer = json.loads(self.data("render", "--model", self.model, "--input", verbatim,
                                      "--template_mode", "swift-3.13"))
        self.assertIn("--template_mode hf", answer["error"])


class Documents(DataCommand):
    """docs/data.md shows every accepted form by example."""

    def test_examples_are_accepted_and_mean_what_the_text_says(self):
        with open(os.path.join(harness.ROOT, "docs/data.md"), encoding="utf-8") as file:
            blocks = re.findall(r"```jsonl\n(.*?)```", file.read(), re.DOTALL)
        self.assertEqual(len(blocks), 3)
        texts = []
        for number, block in enumerate(blocks):
            path = self.path(f"block-{number}.jsonl")
            with open(path, "w", encoding="utf-8") as file:
                file.write(block)
            self.data("check", path)
            answers = [json.loads(line) for line in self.data("render", "--model", self.model,
                                                              "--input", path).splitlines()]
            texts.append([answer["text"] for answer in answers])
        self.assertEqual(len(set(texts[0])), 1, "one conversation in several forms")
        self.assertEqual(len(set(texts[1])), 1, "the same tools in several forms")
        self.assertEqual(texts[2][0], texts[2][1], "reasoning beside the text and in it")


if __name__ == "__main__":
    unittest.main(verbosity=2)
