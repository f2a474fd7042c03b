"""Makes tests/data/golden/template_swift.json from the texts that ms-swift 3.7.0 and 3.13 gave for 14
conversations (one file for each release, of cases "--- A title", line ends written \\n, what carries
loss between ⟦ and ⟧).

    python make_template_swift.py template_swift_3.7.txt template_swift_3.13.txt > template_swift.json

The files give titles and results, not the conversations. These are what the title says with the words
of the result: roles follow from the loss (in C the first answer has loss under 3.13's last_round, so
what follows it is a tool result and no user message); F, G and I, which both releases drop, are as
the title says with the words that the published templates were given for F and I."""
import json
import re
import sys

TOOL = {"type": "function", "function": {
    "name": "f", "description": "d",
    "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}}}


def message(role, content):
    return {"role": role, "content": content}


def user(text):
    return message("user", text)


def assistant(text):
    return message("assistant", text)


def call(**arguments):
    return message("tool_call", json.dumps({"name": "f", "arguments": arguments}, ensure_ascii=False))


def thought(reasoning, text):
    return assistant(f"<think>\n{reasoning}\n</think>\n\n{text}")


ROWS = {
    "A": {"messages": [user("u1"), assistant("a1"), user("u2"), assistant("a2")]},
    "B": {"tools": [TOOL], "messages": [
        user("u1"), assistant("think text"), call(x="é"), call(x="2"), message("tool_response", "r1"),
        message("tool_response", "r2"), assistant("done")]},
    "C": {"tools": [TOOL], "messages": [
        message("system", "SYS"), user("u1"),
        thought("R1", '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'), message("tool", "r1"),
        assistant("<think>\n\n</think>\n\nfinal")]},
    "D": {"messages": [user("u1"), assistant("a1"), user("u2")]},
    "E": {"messages": [user("u1"), user("u2"), assistant("a1"), assistant("a2")]},
    "F": {"messages": [user("u1"), assistant("a1"), message("system", "s2"), user("u2"), assistant("a2")]},
    "G": {"messages": [user("u1"), message("tool", "r1"), assistant("a1")]},
    "H": {"messages": [assistant("a1"), user("u2"), assistant("a2")]},
    "I": {"messages": [user("u1"), assistant("a1"), message("tool", "r1"), user("u2"), assistant("a2")]},
    "J": {"messages": [message("system", ""), user("u1"), assistant("a1")]},
    "K": {"tools": [], "messages": [user("u1"), assistant("a1")]},
    "L": {"messages": [user("u1"), thought("R1", "a1"), user("u2"), thought("R2", "a2")]},
    "M": {"tools": json.dumps([TOOL]), "messages": [user("u1"), assistant("a1")]},
    "N": {"tools": [{"name": "f", "description": "d", "parameters": {}}], "messages": [
        user("u1"), call(x=1), message("tool", "r")]},
}


def pieces(line):
    """[[text, weight]] of a line with ⟦ and ⟧."""
    parts = re.split("[⟦⟧]", line.replace("\\n", "\n"))
    return [[part, i % 2] for i, part in enumerate(parts) if part]


def read(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for line in lines:
        if line.startswith("===== "):
            mode, family, loss_scale = line.split()[1:]
            family = {"qwen2_5": "qwen2.5", "qwen3": "qwen3"}[family]
        elif line.startswith("--- "):
            name, title = line[4], line[6:]
        else:
            case = {"template_mode": mode, "chat_template": family, "loss_scale": loss_scale, "row": name}
            dropped = line.removeprefix("ROW DROPPED: AssertionError: ")
            yield title, {**case, "dropped": dropped} if dropped != line else {**case, "pieces": pieces(line)}


def main():
    rows, cases = {}, []
    for path in sys.argv[1:]:
        for title, case in read(path):
            rows[case["row"]] = {"title": title, **ROWS[case["row"]]}
            cases.append(case)
    lines = [f"    {json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in rows.items()]
    print('{\n  "rows": {\n' + ",\n".join(lines) + '\n  },\n  "cases": [')
    print(",\n".join(f"    {json.dumps(case, ensure_ascii=False)}" for case in cases) + "\n  ]\n}")


if __name__ == "__main__":
    main()
