"""The text, the parts that carry loss and the ids of a conversation by other people's programs: the
published chat template run by Jinja2 as transformers runs it, and Hugging Face tokenizers."""
import json
import os

import jinja2
import jinja2.ext
import jinja2.sandbox

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads cost more than pieces of this size
import tokenizers  # noqa: E402

import rows  # noqa: E402

# Around the index of a message in a marked rendering; generated text has neither.
OPEN, CLOSE = "\ue000", "\ue001"


class TemplateError(Exception):
    """The template refuses the conversation."""


class MarkedRole(str):
    """Equal to the role, but leaves a mark where the template prints it after "<|im_start|>"."""

    mark = ""

    def __radd__(self, left):
        return left + str.__str__(self) + self.mark


def _environment():
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment


def _mark(index):
    return f"{OPEN}{index}{CLOSE}"


class Template:
    """A model's published chat template."""

    def __init__(self, config_path):
        with open(config_path, encoding="utf-8") as file:
            source = json.load(file)["chat_template"]
        self._template = _environment().from_string(source)
        self._content_must_be_text = "message.content is string" in source

    def text(self, messages, tools, **variables):
        """Raises TemplateError for what the template, or apply_chat_template before it, refuses."""
        if tools and not isinstance(tools, list):
            raise TemplateError("tools is not a list")
        try:
            return self._template.render(messages=messages, tools=tools, **variables)
        except (jinja2.TemplateError, TypeError, AttributeError, ValueError) as error:
            raise TemplateError(str(error)) from None

    def _marked_message(self, index, message):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return message
        message = dict(message)
        if message["role"] == "tool":
            content = message.get("content", "")
            if not isinstance(content, str):
                content = "" if self._content_must_be_text else str(content)
            message["content"] = _mark(index) + content
        else:
            message["role"] = MarkedRole(message["role"])
            message["role"].mark = _mark(index)
        return message

    def turns(self, messages, tools, **variables):
        """(text, [(begin, end, index)]): each assistant turn from after "<|im_start|>assistant\\n" to its
        <|im_end|>, included, and its message.

        Turns are found by rendering once more with marks: one where the role of a message is printed,
        one before each tool result. Between an assistant's text and the next mark only the template
        writes, so the last <|im_end|> there ends the turn."""
        text = self.text(messages, tools, **variables)
        marked = self.text([self._marked_message(i, m) for i, m in enumerate(messages)], tools, **variables)
        plain, marks = "", []
        for i, part in enumerate(marked.split(OPEN)):
            if i > 0:
                index, part = part.split(CLOSE, 1)
                marks.append((len(plain), int(index)))
            plain += part
        assert plain == text, "marks change the rendering"
        turns = []
        for (at, index), (next_at, _) in zip(marks, marks[1:] + [(len(text), None)]):
            if messages[index]["role"] == "assistant":
                assert text[at] == "\n"
                turns.append((at + 1, text.rindex("<|im_end|>", at, next_at) + len("<|im_end|>"), index))
        return text, turns


def pieces_of(text, turns, losses):
    """[(text, weight)]: what lies between turns has weight 0, a turn that of its message's loss or 1."""
    pieces, at = [], 0
    for begin, end, index in turns:
        loss = losses[index]
        pieces += [(text[at:begin], 0.0), (text[begin:end], 1.0 if loss is None else loss)]
        at = end
    return [piece for piece in pieces + [(text[at:], 0.0)] if piece[0]]


class Dialect:
    """--template_mode hf."""

    mode = "hf"
    flags = ("--template_mode", mode)

    def __init__(self, config_path):
        self._template = Template(config_path)

    def pieces(self, row):
        """Of a row as parse_json gives it. Raises RowError or TemplateError."""
        if "add_generation_prompt" in row:
            messages, tools = row.get("messages"), row.get("tools")
            if not isinstance(messages, list):
                raise rows.RowError("messages is not a list")
            variables = {name: row[name] for name in ("add_generation_prompt", "enable_thinking") if name in row}
            losses = [rows.loss_of(message) if isinstance(message, dict) else None for message in messages]
        else:
            row = rows.normalise(row)
            messages, tools, variables = row["messages"], row["tools"], {}
            losses = [message.get("loss") for message in messages]
        text, turns = self._template.turns(messages, tools, **variables)
        return pieces_of(text, turns, losses)


class Tokenizer:
    """Ids of pieces of text, each tokenized by itself."""

    def __init__(self, path):
        self._tokenizer = tokenizers.Tokenizer.from_file(path)

    def encode(self, pieces):
        """(ids, weights) of [(text, weight)]; the first weight is 0."""
        encodings = self._tokenizer.encode_batch([text for text, _ in pieces], add_special_tokens=False)
        ids = [token for encoding in encodings for token in encoding.ids]
        weights = [weight for encoding, (_, weight) in zip(encodings, pieces) for _ in encoding.ids]
        return ids, [0.0, *weights[1:]] if weights else []
