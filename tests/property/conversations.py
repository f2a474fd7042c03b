"""Random conversations: rows for training, rows that go to the template as they are, and rows for the
dialects of ms-swift. Each function gives one line of JSON."""
from generator import ALIASES, Pairs, Raw


def _roles(g):
    """Roles in an order that agents produce, or in any."""
    kind = g.random.random()
    if kind < 0.15:
        return [g.pick(["system", "user", "assistant", "tool", "call"]) for _ in range(g.random.randint(1, 8))]
    roles = ["system"] if g.chance(0.4) else []
    for _ in range(g.random.randint(1, 3)):
        roles += ["user"] * g.pick([1, 1, 1, 2])
        for _ in range(g.pick([0, 0, 1, 1, 2])):
            roles += g.pick([["calling"], ["assistant", "call"], ["call"], ["call", "call"], ["calling", "call"]])
            roles += ["tool"] * g.pick([1, 1, 2, 3])
            if g.chance(0.15):
                roles.append("user")
        roles += ["assistant"] * g.pick([1, 1, 1, 1, 2])
        if g.chance(0.05):
            roles.append("system")
    if g.chance(0.12):
        roles = roles[1:] or roles
    if g.chance(0.25):
        roles = roles[: g.random.randint(1, len(roles))]
    return roles


def _add_loss(g, message):
    if g.chance(0.12):
        loss = g.pick([True, False, 0, 1, Raw("0.5"), 2, Raw("0.001"), Raw("1e-3"), None])
        message.append((g.pick(["loss", "loss", "weight"]), loss))


def _content(g, text):
    return [Pairs([("type", "text"), ("text", text)])] if g.chance(0.05) else text


def _message(g, role):
    role_key, content_key = g.pick([("role", "content")] * 4 + [("from", "value"), ("from", "content")])
    calling = role == "calling"
    message = [(role_key, g.pick(ALIASES["assistant" if calling else role]))]
    if role == "call":
        calls = g.call() if g.chance(0.7) else [g.call() for _ in range(g.random.randint(1, 2))]
        message.append((content_key, g.json(calls) if g.chance(0.7) else calls))
    elif calling or role == "assistant":
        silent = calling and g.chance(0.3) or g.chance(0.01)
        if not silent:
            message.append((content_key, _content(g, g.answer())))
        elif g.chance(0.5):
            message.append((content_key, None))
        if g.chance(0.25):
            message.append(("reasoning_content", g.pick([g.text(), g.pick(["\n\n", "", None]), "\n" + g.text() + "\n"])))
        if calling:
            calls = g.tool_calls()
            message.append(("function_call", calls[0]) if g.chance(0.1) else ("tool_calls", calls))
        _add_loss(g, message)
    else:
        message.append((content_key, _content(g, g.question() if role == "user" else g.text())))
        if role == "tool" and g.chance(0.3):
            message += [("tool_call_id", "call_1"), ("name", "f")]
    if g.chance(0.1):
        g.random.shuffle(message)
    return Pairs(message)


def _break(g, row):
    """One thing that docs/data.md says is rejected, or may be."""
    messages = next((value for key, value in row if key not in ("tools", "system", "id") and isinstance(value, list)), [])
    kind = g.random.randrange(10)
    if kind == 0 and messages:
        g.pick(messages).append(("role", g.pick(["judge", "", "User", None, 3])))
    elif kind == 1 and messages:
        g.pick(messages).append(("content", g.pick([None, 3, [], [Pairs([("type", "image")])], Pairs([])])))
    elif kind == 2 and messages:
        g.pick(messages).append(("loss", g.pick([-1, Raw("1e300"), "yes", True, [], Raw("-0.5")])))
    elif kind == 3:
        row.append(("tools", g.pick([3, "not json", [3], ["x"], Pairs([]), "", "[", " ", None, [Pairs([("a", 1)])]])))
    elif kind == 4:
        row.append(("system", g.pick([3, "", None, [], "s"])))
    elif kind == 5 and messages:
        messages.append(g.pick([3, None, "x", [], Pairs([])]))
    elif kind == 6 and messages:
        g.pick(messages).append(("tool_calls", g.pick([[], 3, "x", [3], [Pairs([])], [Pairs([("name", "")])], None])))
    elif kind == 7:
        row.append((g.pick(["messages", "conversations"]), g.pick([[], None, 3])))
    elif kind == 8 and messages:
        g.pick(messages).append(("from", "user"))
    else:
        row.append(("x", Raw(g.pick(["NaN", "1e999", "-Infinity", "[" * 300 + "]" * 300, '"\\ud800"', "01", "1."]))))


def training_row(g):
    row = [(g.pick(["messages"] * 4 + ["conversations", "conversation"]), [_message(g, role) for role in _roles(g)])]
    if g.chance(0.5):
        row.append(("tools", g.tools()))
    if g.chance(0.15):
        row.append((g.pick(["system", "system_prompt"]), g.text()))
    if g.chance(0.06):
        _break(g, row)
    if g.chance(0.2):
        g.random.shuffle(row)
    return g.json(Pairs(row))


def _odd(g):
    """A value where a template expects text. Strings in it are plain: how Python prints others inside a
    list depends on the Unicode version of the interpreter."""
    plain = g.pick(["a", "it's", '"', "'\"", "\n\t\\", ""])
    return g.pick([None, True, False, 0, 3, Raw("1.0"), Raw("1e5"), [], Pairs([]), [1, plain],
                   Pairs([("k", plain), ("n", None)]), [Pairs([("k", [Raw("1e22"), True])])]])


def _verbatim_message(g, role):
    message = [("role", role)]
    assistant = role in ("assistant", "calling")
    if assistant:
        message[0] = ("role", "assistant")
    text = g.answer() if assistant else g.question() if role == "user" else g.text()
    common = 0.85 if role == "calling" else 0.99
    if g.chance(common):
        message.append(("content", text if g.chance(0.9 if role == "tool" else common) else _odd(g)))
    if assistant and g.chance(0.3):
        message.append(("reasoning_content", g.text() if g.chance(0.95) else _odd(g)))
    if role == "calling":
        calls = g.tool_calls(spelled_freely=g.chance(0.02))
        if g.chance(0.03):
            calls = g.pick([_odd(g), [_odd(g)], [Pairs([("function", _odd(g))])], [Pairs([("name", "f")])],
                            [Pairs([("name", _odd(g)), ("arguments", _odd(g))])]])
        message.append(("tool_calls", calls))
    if assistant:
        _add_loss(g, message)
        message = [(key, value) for key, value in message if key != "weight"]
    if g.chance(0.01):
        message = message[1:]
    return Pairs(message) if g.chance(0.995) else _odd(g)


def verbatim_row(g):
    """A call of apply_chat_template."""
    roles = [g.pick(["judge", "human", "developer", "User"]) if g.chance(0.02) else role for role in _roles(g)]
    messages = [_verbatim_message(g, "calling" if role == "call" else role) for role in roles]
    row = [("messages", messages if g.chance(0.995) else [])]
    if g.chance(0.5):
        tools = [g.tool() for _ in range(g.random.randint(0, 3))]
        row.append(("tools", tools if g.chance(0.95) else g.pick([None, [], [3, "x", None], False])))
    row.append(("add_generation_prompt", g.pick([True, False, False, None, 0, 1])))
    if g.chance(0.3):
        row.append(("enable_thinking", g.pick([True, False, None, 0])))
    return g.json(Pairs(row))


def swift_row(g):
    """In the forms that ms-swift reads. Most have an order of roles that it accepts. A weight of their
    own only have turns that it does not merge with another, as it keeps but one weight then."""
    roles = ["calls" if role in ("call", "calling") else role for role in _roles(g)]
    if g.chance(0.7):
        system = roles[:1] if roles[0] == "system" else []
        roles = system + [role for role in roles if role != "system"]
        kept = []
        for role in roles:
            if not (role == "user" and kept and kept[-1] == "tool") and not (role == "tool" and kept[-1:] in ([], ["user"])):
                kept.append(role)
        roles = kept or ["user"]
    own_weights = all({a, b} - {"assistant", "calls"} for a, b in zip(roles, roles[1:]))
    messages = []
    for role in roles:
        if role == "calls":
            for _ in range(g.pick([1, 1, 2])):
                call = Pairs([("name", g.name()), ("arguments", g.json(g.object()) if g.chance(0.3) else g.object())])
                messages.append(Pairs([("role", g.pick(ALIASES["call"])), ("content", g.json(call))]))
            continue
        text = g.answer() if role == "assistant" else g.question() if role == "user" else g.text()
        message = [("role", g.pick(ALIASES[role])), ("content", text)]
        if role == "assistant" and own_weights and g.chance(0.1):
            message.append(("loss", g.pick([True, False])))
        messages.append(Pairs(message))
    row = [("messages", messages)]
    if g.chance(0.5):
        row.append(("tools", g.tools()))
    return g.json(Pairs(row))
