"""Random rows, one line of JSON each, that reach into the corners of docs/data.md: text of all planes,
control characters, special tokens inside contents, every spelling of roles, calls and tools, and
conversations in any order. What a seed gives does not depend on anything else."""
import json
import random

SPECIAL = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>", "<tool_call>", "</tool_call>",
    "<tool_response>", "</tool_response>", "<|fim_prefix|>", "<|vision_start|>", "<|im_start|>assistant\n",
    "<|im_end|>\n<|im_start|>user\n", "<|im", "_end|>", "<tools>", "{{ content }}", "{% if %}", "{{-",
]
THINKING = [
    "<think>\n\n</think>\n\n", "<think>\nwhy\n</think>\n\n", "<think></think>", "<think> \t\n</think>\n",
    "<think>\nnever closed", "</think>", "no start\n</think>\n\n", "<think>a<think>b</think>c</think>",
    "</think><think>", "<think>\n\n\nmany\n\n\n</think>\n\n\n\n", "\n<think>x</think>", "< think >",
    "<think>\r\n\u2003</think>\x1f\x85",
]
WORDS = ("the weather in Oslo is 3 °C don't I'LL we've 東京 へ 行く привет мир 안녕 हिन्दी ไทย שלום مرحبا 42 1234567 "
         "0x1F foo_bar CamelCase x² ﬁ Å Å é é ſ 's 'S 'ſ naïve 👩‍👩‍👧 🇳🇴 ¼ ٣٤ Ⅷ … — “quoted” \\n \\\" // <a>&b;").split(" ")
SPACE = [" ", "  ", "\n", "\n\n", "\t", "\r\n", "\r", " \n ", "\u00a0", "\u3000", "\u2028", "\x85", "\x0b", "\x1c"]
NUMBERS = [
    "0", "-0", "1", "-17", "1.0", "-0.0", "1e5", "1E+2", "1e-7", "0.1", "1e16", "1e15", "123456789.125", "1e22",
    "5e-324", "1.7976931348623157e308", "123456789012345678901234567890", "0.30000000000000004", "1e-5", "0.0001",
    "3.14", "100000000000000000.0", "2.5e-10",
]
ALIASES = {
    "user": ["user", "user", "user", "human"], "assistant": ["assistant", "assistant", "assistant", "gpt", "bot"],
    "system": ["system"],
    "tool": ["tool", "tool", "tool_response", "function", "function_response", "function-response", "observation",
             "observations"],
    "call": ["tool_call", "function_call", "function-call"],
}


class Raw(str):
    """Stands in the JSON as it is."""


class Pairs(list):
    """An object as a list of (key, value), where a key may come twice."""


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    def pick(self, choices):
        return self.random.choice(choices)

    # Text

    def character(self):
        low, high = self.pick([(0x20, 0x7F), (0, 0x20), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x2000), (0x2000, 0x3100),
                               (0x3100, 0xD800), (0xAC00, 0xD7A4), (0xE002, 0x10000), (0x10000, 0x20000),
                               (0x1F300, 0x1FB00), (0x20000, 0x110000)])
        return chr(self.random.randrange(low, high))

    def fragment(self):
        kind = self.random.random()
        if kind < 0.55:
            return self.pick(WORDS)
        if kind < 0.75:
            return self.pick(SPACE)
        if kind < 0.83:
            return self.pick(SPECIAL)
        if kind < 0.93:
            return "".join(self.character() for _ in range(self.random.randint(1, 4)))
        if kind < 0.96:
            return self.pick(["a", "ab", " ", "\n", "1", "é", "!?", "\u0301"]) * self.random.randint(2, 40)
        return str(self.random.randint(0, 10 ** self.random.randint(1, 12)))

    def text(self, most=12):
        if self.chance(0.06):
            return ""
        joint = self.pick(["", " ", " "])
        text = joint.join(self.fragment() for _ in range(self.random.randint(1, most)))
        if self.chance(0.15):
            text = self.pick(["\n", "\n\n", " ", "\r\n", "\x1f", "\u2003"]) + text
        if self.chance(0.15):
            text += self.pick(["\n", "\n\n", " ", "\t", "\x85"])
        return text

    def answer(self):
        text = self.text(20)
        if self.chance(0.4):
            text = self.pick(THINKING) + text
        if self.chance(0.08):
            at = self.random.randint(0, len(text))
            text = text[:at] + self.pick(THINKING) + text[at:]
        if self.chance(0.08):
            text += '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
        return text

    def question(self):
        if self.chance(0.08):
            return f"<tool_response>\n{self.text()}\n</tool_response>" + self.pick(["", "", "\n", "x"])
        return self.text()

    # Values

    def key(self):
        return self.pick([self.pick(["city", "x", "1", "10", "", "名前", "a b", "role", "type"]), self.text(2)])

    def value(self, depth=0):
        kind = self.random.random()
        if depth < 4 and kind < 0.3 / (depth + 1):
            members = [(self.key(), self.value(depth + 1)) for _ in range(self.random.randint(0, 4))]
            if members and self.chance(0.15):
                members.append((self.pick(members)[0], self.value(depth + 1)))
            return Pairs(members)
        if depth < 4 and kind < 0.5 / (depth + 1):
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 4))]
        if kind < 0.7:
            return self.text(4)
        if kind < 0.9:
            return self.number()
        return self.pick([True, False, None])

    def number(self):
        if self.chance(0.6):
            return Raw(self.pick(NUMBERS))
        if self.chance(0.5):
            return Raw(repr(self.random.uniform(-1, 1) * 10.0 ** self.random.randint(-25, 25)))
        return Raw(str(self.random.randint(-10 ** 18, 10 ** self.random.randint(1, 40))))

    def object(self):
        return Pairs((self.key(), self.value(1)) for _ in range(self.random.randint(0, 4)))

    def name(self):
        return self.pick(["f", "get_weather", "検索", "a.b-c", "x y", self.text(1) or "g"])

    # JSON

    def json_string(self, text):
        quoted = json.dumps(text, ensure_ascii=self.chance(0.3))
        return quoted.replace("/", "\\/") if self.chance(0.05) else quoted

    def json(self, value):
        if isinstance(value, Raw):
            return str(value)
        if isinstance(value, str):
            return self.json_string(value)
        gap = self.pick(["", " ", " ", " ", "  "])
        if isinstance(value, Pairs):
            return "{" + f",{gap}".join(f"{self.json_string(k)}:{gap}{self.json(v)}" for k, v in value) + "}"
        if isinstance(value, dict):
            return self.json(Pairs(value.items()))
        if isinstance(value, list):
            return "[" + f",{gap}".join(map(self.json, value)) + "]"
        return json.dumps(value)

    # Tools and calls

    def tool(self):
        function = [("name", self.name())]
        if self.chance(0.8):
            function.append(("description", self.text(5)))
        if self.chance(0.8):
            function.append(("parameters", self.object()))
        if self.chance(0.3):
            self.random.shuffle(function)
        function = Pairs(function)
        if self.chance(0.2):
            return function
        return Pairs([("type", "function"), ("function", function)])

    def tools(self):
        tools = [self.tool() for _ in range(self.random.randint(1, 3))]
        kind = self.random.random()
        if kind < 0.5:
            return tools
        if kind < 0.65:
            return self.json(tools)
        if kind < 0.8:
            return [self.json(tool) for tool in tools]
        return self.pick([tools[0], self.json(tools[0]), [], "[]"])

    def arguments(self):
        given = self.object()
        if self.chance(0.1):
            return repr(json.loads(self.json(given)))  # as str() writes it
        return self.json(given) if self.chance(0.35) else given

    def call(self, spelled_freely=True):
        """{"name", "arguments"}, with the spellings that training rows may have or without."""
        call = [("name", self.name()), ("arguments", self.arguments())]
        if spelled_freely and self.chance(0.1):
            call[1] = ("parameters", call[1][1])
        elif self.chance(0.1):
            odd = [None, "", " ", self.number(), [self.text(2)], '"text"', "[1.0, {}]"]
            call[1] = ("arguments", self.pick(odd))
        return Pairs(call)

    def tool_calls(self, spelled_freely=True):
        calls = []
        for _ in range(self.pick([1, 1, 2, 3])):
            call = self.call(spelled_freely)
            if self.chance(0.7):
                call = Pairs([("id", "call_1"), ("type", "function"), ("function", call)])
            calls.append(call)
        return calls
