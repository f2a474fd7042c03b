"""swift_reference.py gives what the two releases gave: every case of tests/data/golden/template_swift.json,
and what follows from their rules beyond those cases. Only Python's standard library."""
import json
import os
import unittest

import rows
import swift_reference

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                      "data/golden/template_swift.json")


def conversation(*messages, tools=None):
    return rows.normalise({"messages": [{"role": role, "content": text, **more[0]} if more else
                                        {"role": role, "content": text} for role, text, *more in messages],
                           "tools": tools})


def marked(given, version, loss_scale, family="qwen3"):
    return swift_reference.marked(swift_reference.render(given, version, family, loss_scale))


class Golden(unittest.TestCase):
    def test_every_case(self):
        with open(GOLDEN, encoding="utf-8") as file:
            golden = json.load(file)
        self.assertEqual(len(golden["cases"]), 2 * 3 * 14)
        for case in golden["cases"]:
            version = case["template_mode"].removeprefix("swift-")
            given = rows.normalise(golden["rows"][case["row"]])
            with self.subTest(**{key: case[key] for key in ("template_mode", "loss_scale", "row")}):
                try:
                    found = swift_reference.render(given, version, case["chat_template"], case["loss_scale"])
                except swift_reference.RowDropped as dropped:
                    self.assertEqual(str(dropped), case.get("dropped"))
                else:
                    self.assertIn("pieces", case)
                    expected = [tuple(piece) for piece in case["pieces"]]
                    self.assertEqual(swift_reference.marked(found), swift_reference.marked(expected))


class Rules(unittest.TestCase):
    TURN = "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"

    def test_history_is_stripped_of_thinking_and_white_space(self):
        given = conversation(("user", "q"), ("assistant", "x</think> \x85a\u3000"), ("user", "q"),
                             ("assistant", " b "))
        self.assertEqual(marked(given, "3.7", "last_round"),
                         self.TURN + "a<|im_end|>\n" + self.TURN + "⟦ b <|im_end|>⟧")
        self.assertIn("x</think>", marked(given, "3.7", "last_round_with_ignore_empty_think"))
        self.assertIn("\x85a\u3000", marked(given, "3.7", "last_round", family="qwen2.5"))

    def test_end_of_a_turn_has_loss_where_the_text_before_it_has(self):
        for version in swift_reference.VERSIONS:
            given = conversation(("user", "q"), ("assistant", "a<think></think>"), ("user", "q"),
                                 ("assistant", "b"))
            text = marked(given, version, "ignore_empty_think", family="qwen2.5")
            self.assertIn("⟦a⟧<think></think><|im_end|>\n<|im_start|>user", text)
            given = conversation(("user", "q"), ("assistant", ""), ("user", "q"), ("assistant", "b"))
            text = marked(given, version, "default", family="qwen2.5")
            self.assertIn("assistant\n<|im_end|>\n<|im_start|>user", text)

    def test_own_loss(self):
        given = conversation(("user", "q"), ("assistant", "<think>a", {"loss": False}), ("user", "q"),
                             ("assistant", "<think>b", {"loss": 0}))
        self.assertEqual(marked(given, "3.13", "default"), self.TURN + "<think>a<|im_end|>\n" + self.TURN +
                         "<think>b⟦<|im_end|>\n⟧")

    def test_weights(self):
        given = conversation(("user", "q"), ("assistant", "a<tool_call>\nx\n</tool_call>b"))
        for version, end in (("3.7", "<|im_end|>"), ("3.13", "<|im_end|>\n")):
            pieces = swift_reference.render(given, version, "qwen2.5", "hermes")
            self.assertEqual(pieces[1:], [("a", 1), ("<tool_call>\nx\n</tool_call>", 2), ("b" + end, 1)])

    def test_everything_has_loss(self):
        given = conversation(("user", "<think></think>q"), ("assistant", "a"), tools=[])
        self.assertEqual(len(swift_reference.render(given, "3.7", "qwen3", "all")), 1)
        text = marked(given, "3.13", "all+ignore_empty_think")
        self.assertTrue(text.startswith("⟦<|im_start|>user\n⟧<think></think>⟦q<|im_end|>"), text)
        self.assertTrue(text.endswith("assistant\n⟧<think>\n\n</think>\n\n⟦a<|im_end|>\n⟧"), text)

    def test_no_second_end_of_the_last_message(self):
        given = conversation(("user", "q"), ("assistant", "<think>a<|im_end|>"))
        self.assertTrue(marked(given, "3.13", "default").endswith("⟦<think>a<|im_end|>⟧"))
        self.assertTrue(marked(given, "3.7", "default").endswith("⟦<think>a<|im_end|><|im_end|>⟧"))

    def test_dropped(self):
        for given in (conversation(("system", "s")), conversation(("tool", "r"), ("assistant", "a")),
                      conversation(("user", "q"), ("assistant", "a"), ("tool", "r"), ("system", "s"))):
            for version in swift_reference.VERSIONS:
                with self.assertRaises(swift_reference.RowDropped):
                    swift_reference.render(given, version, "qwen3", "default")
        with self.assertRaises(ValueError):
            swift_reference.render(conversation(("user", "q")), "3.7", "qwen3", "all+hermes")


if __name__ == "__main__":
    unittest.main()
