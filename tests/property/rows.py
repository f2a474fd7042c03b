"""A row as docs/data.md describes it, in one form: what `longhaul data render` does before its template,
written a second time, in Python and from that page alone."""
import ast
import json
import math

MAX_DEPTH = 256

ROLES = {
    "system": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant",
    "tool": "tool", "tool_response": "tool", "function": "tool", "function_response": "tool",
    "function-response": "tool", "observation": "tool", "observations": "tool",
    "tool_call": "call", "function_call": "call", "function-call": "call",
}


class RowError(Exception):
    """The row is rejected."""


def _refuse(text):
    raise RowError(f"not JSON: {text}")


def _finite(text):
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _whole(text):
    return int(text) if len(text.lstrip("-")) <= 308 else _refuse("an integer that is too long")


def _depth(value):
    """How deeply lists and objects are nested; without recursion, which Python limits."""
    deepest, stack = 0, [(value, 0)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, (dict, list)):
            deepest = max(deepest, depth + 1)
            stack += [(child, depth + 1) for child in (item.values() if isinstance(item, dict) else item)]
    return deepest


def _mend(value):
    """Halves of surrogate pairs become U+FFFD."""
    if isinstance(value, str):
        return "".join("\ufffd" if 0xD800 <= ord(c) <= 0xDFFF else c for c in value)
    if isinstance(value, (list, tuple)):
        return [_mend(item) for item in value]
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    return value


def parse_json(text):
    """Python's json with the limits that docs/data.md names."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise RowError(f"not JSON: {error}") from None
    if _depth(value) > MAX_DEPTH:
        raise RowError("not JSON: nested too deeply")
    return _mend(value)


def parse_embedded(text):
    """The value of a string inside a row that holds JSON, or a Python literal."""
    try:
        return parse_json(text)
    except RowError as not_json:
        try:
            value = ast.literal_eval(text.strip())
            if _depth(value) > MAX_DEPTH:
                raise not_json
            return parse_json(json.dumps(_mend(value)))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise not_json from None


def _one_of(source, *names):
    """The value under one of the names, None when absent or null; two of them are an error."""
    found = [name for name in names if source.get(name) is not None]
    if len(found) > 1:
        raise RowError(f'has both "{found[0]}" and "{found[1]}"')
    return source[found[0]] if found else None


def _text(content):
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        if content[0].get("type") == "text":
            content = content[0].get("text")
    if not isinstance(content, str):
        raise RowError("content is not a string")
    return content


def loss_of(message):
    """The weight that a message sets for its turn, None when it sets none."""
    value = _one_of(message, "loss", "weight")
    if value is None:
        return None
    if not isinstance(value, (bool, int, float)):
        raise RowError("loss must be true, false or a number that is not negative")
    if value < 0 or value > 3.4028235e38:
        raise RowError("loss must be true, false or a number that is not negative")
    return float(value)


def _arguments(value):
    if value is None:
        return {}
    if isinstance(value, str):
        return parse_embedded(value) if value.strip(" \t\r\n") else {}
    return value


def _calls(given):
    if isinstance(given, dict):
        given = [given]
    if not isinstance(given, list):
        raise RowError("tool_calls is not a list")
    calls = []
    for call in given:
        if not isinstance(call, dict):
            raise RowError("a call is not an object")
        if call.get("function") is not None:
            call = call["function"]
        if not isinstance(call, dict) or not isinstance(call.get("name"), str) or not call["name"]:
            raise RowError("a call has no function name")
        arguments = call["arguments"] if "arguments" in call else call.get("parameters")
        calls.append({"name": call["name"], "arguments": _arguments(arguments)})
    return calls


def _assistant(message, content, loss):
    reasoning = message.get("reasoning_content")
    if reasoning is not None and not isinstance(reasoning, str):
        raise RowError("reasoning_content is not a string")
    given = _one_of(message, "tool_calls", "function_call")
    calls = [] if given is None else _calls(given)
    if content is None and not calls and reasoning is None:
        raise RowError("neither content nor reasoning_content nor tool_calls")
    result = {"role": "assistant", "content": "" if content is None else _text(content), "loss": loss}
    if reasoning is not None:
        result["reasoning_content"] = reasoning
    if calls:
        result["tool_calls"] = calls
    return result


def _add_call(messages, content, loss):
    """A call as a message of its own joins the assistant message before it."""
    if isinstance(content, str):
        content = parse_embedded(content)
    calls = _calls(content)
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": "", "loss": loss})
    elif loss is not None and loss != messages[-1]["loss"]:
        raise RowError("loss differs from that of the turn it belongs to")
    messages[-1]["tool_calls"] = messages[-1].get("tool_calls", []) + calls


def _add(messages, message):
    if not isinstance(message, dict):
        raise RowError("a message is not an object")
    role = _one_of(message, "role", "from")
    if not isinstance(role, str):
        raise RowError("a message has no role")
    if role not in ROLES:
        raise RowError("unknown role")
    role, loss, content = ROLES[role], loss_of(message), _one_of(message, "content", "value")
    if role == "call":
        _add_call(messages, content, loss)
    elif role == "assistant":
        messages.append(_assistant(message, content, loss))
    else:
        if loss:
            raise RowError("only assistant messages can carry loss")
        if message.get("tool_calls"):
            raise RowError("only assistant messages can have tool_calls")
        messages.append({"role": role, "content": _text(content)})


def _tools(given):
    """None when the row has no tools; a list, which may be empty, when it gives one."""
    if isinstance(given, str):
        given = parse_embedded(given) if given.strip(" \t\r\n") else None
    if given is None:
        return None
    if isinstance(given, dict):
        given = [given]
    if not isinstance(given, list):
        raise RowError("tools is not a list")
    tools = []
    for tool in given:
        if isinstance(tool, str):
            tool = parse_embedded(tool)
        if not isinstance(tool, dict):
            raise RowError("a tool is not an object")
        if "function" not in tool and "type" not in tool and isinstance(tool.get("name"), str):
            tool = {"type": "function", "function": tool}
        tools.append(tool)
    return tools


def normalise(row):
    """{"messages", "tools"} of a row as json.loads gives it. Messages have the roles system, user,
    assistant and tool and a string as content; assistant messages "loss" (None: not set) and, where
    the row has them, "reasoning_content" and "tool_calls" as {"name", "arguments"}. Raises RowError."""
    if not isinstance(row, dict):
        raise RowError("the line is not an object")
    given = _one_of(row, "messages", "conversations", "conversation")
    if given is None or given == []:
        raise RowError("no messages")
    if not isinstance(given, list):
        raise RowError("messages is not a list")
    messages = []
    for message in given:
        _add(messages, message)
    system = _one_of(row, "system", "system_prompt")
    if system is not None and not isinstance(system, str):
        raise RowError("system is not a string")
    if system and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": system})
    return {"messages": messages, "tools": _tools(row.get("tools"))}
