"""What the ms-swift releases 3.7 and 3.13 train on for a conversation: the dialects
`--template_mode swift-3.7` and `swift-3.13`, written a second time, to hold ours against.

Behaviour that a reader might not expect, and that the two releases have:
* Texts next to each other with equal weight are tokenized as one. A turn without loss that begins
  with a newline therefore melts into the newline of "<|im_start|>assistant\\n"; one with loss does not.
* White space is what str.isspace() says, for stripping and in the patterns of loss scales.
* Stripping history takes everything up to the last </think> and the white space at both ends, also
  from messages that have no </think>. Qwen2.5 is never stripped.
* <|im_end|> after a turn that is not the last has loss where the text just before it has, with
  weight 1. 3.7 wants besides that some later text has loss. So it has none after a turn that is
  empty, or that ends in an empty <think> block with ignore_empty_think.
* <|im_end|> after the last message follows the strategy alone, whatever the message's own `loss`.
* 3.13 writes no <|im_end|> after a last message that ends in <|im_end|> or <|endoftext|>.
* 3.7 strips nothing for last_round_with_ignore_empty_think, only for last_round itself.
Left out: text in ReAct form ("Action:" and "Action Input:" before a tool result) and placeholders
such as {{QUERY}} inside contents, which both releases rewrite. A message's `loss` is kept as a weight,
in 3.7 too, which does not know it.
"""
import json
import re

VERSIONS = ("3.7", "3.13")
FAMILIES = ("qwen2.5", "qwen3")
EMPTY_THINK = "<think>\n\n</think>\n\n"
DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
TOOLS_BEFORE = (
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n")
TOOLS_AFTER = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>')
MODIFIERS = {"ignore_empty_think": (r"<think>\s*</think>\s*", 0.0), "hermes": (r"<tool_call>.+?</tool_call>", 2.0)}
LOSS_SCALES = {
    "3.7": ("default", "last_round", "all", "ignore_empty_think", "last_round_with_ignore_empty_think", "hermes"),
    "3.13": ("default", "last_round", "all", "ignore_empty_think", "hermes", "last_round+ignore_empty_think",
             "default+ignore_empty_think", "all+ignore_empty_think", "default+hermes", "last_round+hermes",
             "all+hermes"),
}


class RowDropped(Exception):
    """That release drops the row."""


def _strategy(version, loss_scale):
    """(base, modifier or None)."""
    if loss_scale not in LOSS_SCALES[version]:
        raise ValueError(f"swift-{version} has no loss_scale {loss_scale}")
    if loss_scale == "last_round_with_ignore_empty_think":
        return "last_round", "ignore_empty_think"
    if "+" in loss_scale:
        return tuple(loss_scale.split("+"))
    return ("default", loss_scale) if loss_scale in MODIFIERS else (loss_scale, None)


def _dump(value):
    return json.dumps(value, ensure_ascii=False)


class _Turn:
    def __init__(self, role, text, loss=None):
        self.role, self.text, self.loss = role, text, loss


def _turns(messages):
    """Users in a row and assistants in a row are one turn, tool results after an assistant are one
    "results" turn; other messages stay as they are."""
    turns = []
    for message in messages:
        role, text = message["role"], message["content"]
        if role == "assistant":
            text += "\n".join(f"<tool_call>\n{_dump(call)}\n</tool_call>" for call in message.get("tool_calls", []))
        last = turns[-1] if turns else None
        if role == "tool":
            result = f"<tool_response>\n{text}\n</tool_response>"
            if last and last.role == "results":
                last.text += "\n" + result
                continue
            if last and last.role == "assistant":
                role, text = "results", result
        elif last and role == last.role and role in ("user", "assistant"):
            last.text += text
            continue
        turns.append(_Turn(role, text, message.get("loss")))
    return turns


def _last_user(turns):
    return max((i for i, turn in enumerate(turns) if turn.role == "user"), default=-1)


def _strip_history(turns, before):
    for turn in turns[:before]:
        if turn.role == "assistant":
            turn.text = turn.text.rpartition("</think>")[2].strip()


def _apply_thinking(turns, version, base, modifier):
    """Qwen3 only."""
    if version == "3.7":
        if base == "last_round" and modifier is None:
            _strip_history(turns, len(turns) - 1)
        return
    first = _last_user(turns) if base == "last_round" else 0
    for i, turn in enumerate(turns):
        if turn.role == "assistant" and i >= first and not turn.text.startswith("<think>"):
            turn.text = EMPTY_THINK + turn.text
    if base == "last_round":
        _strip_history(turns, max(first, 0))


def _rounds(turns, version):
    """Pairs of what the model reads and what it answers; None for an answer that is to come."""
    if not turns:
        raise RowDropped("no messages but system")
    if turns[0].role == "assistant":
        turns = [_Turn("user", "")] + turns
    if turns[0].role == "tool":
        raise RowDropped("tool result at the beginning")
    quote = '"' if version == "3.13" else ""
    rounds = []
    for i in range(0, len(turns), 2):
        if turns[i].role not in ("user", "results"):
            raise RowDropped(f"query_role: {quote}{turns[i].role}{quote}")
        answer = turns[i + 1] if i + 1 < len(turns) else None
        if answer is not None and answer.role != "assistant":
            role = "tool" if answer.role == "results" else answer.role
            raise RowDropped(f"response_role: {quote}{role}{quote}")
        rounds.append((turns[i], answer))
    return rounds


def _system(messages, tools, version, family):
    """(system text, the other messages)"""
    given = messages[0]["content"] if messages and messages[0]["role"] == "system" else None
    text = given if given is not None else DEFAULT_SYSTEM if family == "qwen2.5" else ""
    if tools or (tools is not None and version == "3.7"):
        text += TOOLS_BEFORE + "\n".join(map(_dump, tools)) + TOOLS_AFTER
    return text, messages[1:] if given is not None else messages


class _Weights:
    """Weighted parts of one conversation."""

    def __init__(self, version, base, modifier, rounds):
        self.version, self.base, self.modifier = version, base, modifier
        self.rounds = rounds
        users = [i for i, (query, _) in enumerate(rounds) if query.role == "user"]
        self.first_of_last = len(rounds) - 1 if version == "3.7" else max(users, default=-1)

    def _modified(self, text):
        if self.modifier is None:
            return [(text, 1.0)]
        pattern, weight = MODIFIERS[self.modifier]
        parts = re.split(f"({pattern})", text, flags=re.DOTALL)
        return [(part, weight if i % 2 else 1.0) for i, part in enumerate(parts)]

    def context(self, text):
        if self.base != "all":
            return [(text, 0.0)]
        return [(text, 1.0)] if self.version == "3.7" else self._modified(text)

    def answer(self, index):
        turn = self.rounds[index][1]
        if turn.loss is not None:
            return [(turn.text, turn.loss)]
        if self.base == "last_round" and index < self.first_of_last:
            return [(turn.text, 0.0)]
        return self._modified(turn.text)

    def end(self, text):
        return [(text, 1.0)]


def _join(parts):
    """Neighbours of equal weight become one piece; empty ones go."""
    pieces = []
    for text, weight in parts:
        if text and pieces and pieces[-1][1] == weight:
            pieces[-1] = (pieces[-1][0] + text, weight)
        elif text:
            pieces.append((text, weight))
    return pieces


def _add_ends(pieces, suffix, version):
    """Loss for the suffix after text with loss."""
    result = []
    for i, (text, weight) in enumerate(pieces):
        follows = i > 0 and pieces[i - 1][1] > 0
        later = version == "3.13" or any(w > 0 for _, w in pieces[i + 1:])
        if weight == 0 and follows and later and text.startswith(suffix):
            result += [(suffix, 1.0), (text[len(suffix):], 0.0)]
        else:
            result.append((text, weight))
    return [piece for piece in result if piece[0]]


def render(conversation, version, family, loss_scale):
    """[(text, weight)] of a normalised row (rows.normalise); each text is tokenized by itself.
    reasoning_content is not looked at. Raises RowDropped."""
    base, modifier = _strategy(version, loss_scale)
    system, messages = _system(conversation["messages"], conversation["tools"], version, family)
    turns = _turns(messages)
    if family == "qwen3":
        _apply_thinking(turns, version, base, modifier)
    rounds = _rounds(turns, version)
    suffix = "<|im_end|>\n" if version == "3.13" else "<|im_end|>"
    weights = _Weights(version, base, modifier, rounds)
    parts = weights.context(f"<|im_start|>system\n{system}<|im_end|>\n") if system else []
    for i, (query, answer) in enumerate(rounds):
        parts += weights.context(f"<|im_start|>user\n{query.text}<|im_end|>\n<|im_start|>assistant\n")
        if answer is None:
            break
        parts += weights.answer(i)
        if i + 1 < len(rounds):
            parts += weights.context("<|im_end|>\n")
        elif version == "3.7" or not answer.text.endswith(("<|im_end|>", "<|endoftext|>")):
            parts += weights.end(suffix)
    return _add_ends(_join(parts), suffix, version)


def marked(pieces):
    """The text with what carries loss between ⟦ and ⟧."""
    text = "".join(part if weight == 0 else f"⟦{part}⟧" for part, weight in pieces)
    return text.replace("⟧⟦", "")
