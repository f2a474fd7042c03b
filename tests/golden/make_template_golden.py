"""Makes tests/data/golden/template_swift.json and template_hf.json: conversations with the text that the
templates of ms-swift 3.7.0 and 3.13, and the published ones, gave for them.

    python make_template_golden.py swift template_swift_3.7.txt template_swift_3.13.txt > template_swift.json
    python make_template_golden.py hf template_hf.txt > template_hf.json

The files hold cases ("--- A title" and a line with \\n for newlines, what carries loss between ⟦ and ⟧; "…"
after "# Tools" stands for the rest of that section) in groups ("===== mode family loss_scale"). They
give titles and results, not the conversations. Those are what the title says with the words of the
result: roles follow from the loss (in C the first answer has loss under 3.13's last_round, so what
follows it is a tool result and no user message); F, G and I, which both releases of ms-swift drop, are as
the title says with the words that the published templates have in F and I."""
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
    "A1": {"tools": [TOOL], "messages": [
        user("u1"), {"role": "assistant", "content": "", "tool_calls": [
            {"type": "function", "function": {"name": "f", "arguments": {"x": "1"}}}]},
        message("tool", "r1"), assistant("done")]},
}
TOOLS_SECTION = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n" + json.dumps(TOOL) +
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n')


def pieces(line):
    """[[text, weight]] of a line with ⟦ and ⟧."""
    parts = re.split("[⟦⟧]", line.replace("\\n", "\n"))
    return [[part, i % 2] for i, part in enumerate(parts) if part]


FAMILIES = {"qwen2_5": "qwen2.5", "qwen3": "qwen3"}


def read(path):
    """(heading, title, result line) of each case."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for line in lines:
        if line.startswith("===== "):
            heading = line.split()[1:]
        elif line.startswith("--- "):
            title = line[4:]
        else:
            yield heading, title, line


def swift_case(heading, title, line):
    mode, family, loss_scale = heading
    case = {"template_mode": mode, "chat_template": FAMILIES[family], "loss_scale": loss_scale, "row": title[0]}
    dropped = line.removeprefix("ROW DROPPED: AssertionError: ")
    return {**case, "dropped": dropped} if dropped != line else {**case, "pieces": pieces(line)}


def hf_case(heading, title, line):
    row = "A1" if title.startswith("A1") else title[0]
    text = line.replace("\\n", "\n").replace("# Tools…", TOOLS_SECTION)
    return {"template_mode": "hf", "chat_template": FAMILIES[heading[0]], "row": row, "text": text}


def main():
    make_case = {"swift": swift_case, "hf": hf_case}[sys.argv[1]]
    titles, cases = {}, []
    for path in sys.argv[2:]:
        for heading, title, line in read(path):
            cases.append(make_case(heading, title, line))
            titles.setdefault(cases[-1]["row"], title.partition(" ")[2])
    rows = [f"    {json.dumps(name)}: {json.dumps({'title': title, **ROWS[name]} if title else ROWS[name], ensure_ascii=False)}"
            for name, title in titles.items()]
    print('{\n  "rows": {\n' + ",\n".join(rows) + '\n  },\n  "cases": [')
    print(",\n".join(f"    {json.dumps(case, ensure_ascii=False)}" for case in cases) + "\n  ]\n}")


if __name__ == "__main__":
    main()
