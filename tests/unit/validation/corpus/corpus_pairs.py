"""Rows of the prompt-completion format, and of this project's evaluation examples."""

from __future__ import annotations

from tests.unit.validation.corpus.corpus import Table, row

PAIRS: Table = {
    "good": [
        row("the keys in another order", '{"completion": "A", "prompt": "Q"}'),
        row("no spaces", '{"prompt":"Q","completion":"A"}'),
        row("words of other models", r'{"prompt": "User: \nHuman: [EOS]", "completion": "A"}'),
    ],
    "keys": [
        row("no key at all", "{}", "1 not-text prompt", "1 not-text completion"),
        row("no completion", '{"prompt": "Q"}', "1 not-text completion"),
        row("no prompt", '{"completion": "A"}', "1 not-text prompt"),
        row(
            "completions",
            '{"prompt": "Q", "completions": "A"}',
            "1 unknown-key completions",
            "1 not-text completion",
        ),
        row("system", '{"system": "S", "prompt": "Q", "completion": "A"}', "1 unknown-key system"),
        row(
            "messages",
            '{"messages": [], "prompt": "Q", "completion": "A"}',
            "1 unknown-key messages",
        ),
        row(
            "prompt twice",
            '{"prompt": "Q", "prompt": "R", "completion": "A"}',
            "1 duplicate-key prompt",
        ),
        row(
            "prompt twice, the first wrong",
            '{"prompt": 7, "prompt": "R", "completion": "A"}',
            "1 duplicate-key prompt",
        ),
    ],
    "types": [
        row("prompt null", '{"prompt": null, "completion": "A"}', "1 not-text prompt"),
        row("prompt a number", '{"prompt": 1, "completion": "A"}', "1 not-text prompt"),
        row("completion a list", '{"prompt": "Q", "completion": ["A"]}', "1 not-text completion"),
        row(
            "completion an object",
            '{"prompt": "Q", "completion": {"text": "A"}}',
            "1 not-text completion",
        ),
        row(
            "both wrong",
            '{"prompt": false, "completion": 1e9}',
            "1 not-text prompt",
            "1 not-text completion",
        ),
    ],
    "text": [
        row("an empty prompt", "<R >", "1 empty <Q>"),
        row("an empty completion", '{"prompt": "Q", "completion": ""}', "1 empty completion"),
        row("a blank completion", r'{"prompt": "Q", "completion": "\n \t"}', "1 empty completion"),
        row("a zero-width space", '{"prompt": "Q", "completion": "\u200b"}', "1 empty completion"),
    ],
    "another format": [
        row("Claude", '{"messages": [<U>, <A>]}', "1 wrong-format"),
        row("Converse", '{<V>, "messages": [<U>, <A>]}', "1 wrong-format"),
        row("question and answer", '{"question": "Q", "answer": "A"}', "1 wrong-format"),
        row("input and output", '{"input": "Q", "output": "A"}', "1 wrong-format"),
    ],
    "tokens": [
        row("at the limit", f"<R {'word ' * 17672}h>", "1 ?maybe-too-many-tokens"),
        row("beyond the limit", f"<R {'word ' * 17672}hello>", "1 too-many-tokens"),
    ],
}
PAIRS_COUNTS: Table = {
    "counts": [
        row("an empty file", "", "- too-few-records", "- too-few-records", fill="none"),
        row("99 records", "<R>\n" * 99, "- too-few-records", fill="none"),
        row("100 records", "<R>\n" * 100, fill="none"),
    ],
}
_SAME = '{"id": "x", "question": "Q", "reference_answer": "A"}'
_ASKED = '{"role": "user", "content": "Q"}'
_SAID = '{"role": "assistant", "content": "A"}'


def _example_with(history: str) -> str:
    return f'{{"id": "a", "question": "Q", "reference_answer": "A", "history": {history}}}'


EVALUATION: Table = {
    "evaluation": [
        row("with a topic", '{"id": "a", "question": "Q", "reference_answer": "A", "topic": "t"}'),
        row("topic null", '{"id": "a", "question": "Q", "reference_answer": "A", "topic": null}'),
        row("history null", _example_with("null")),
        row("no history", _example_with("[]")),
        row("a history", _example_with(f"[{_ASKED}, {_SAID}, {_ASKED}, {_SAID}]")),
        row("a history that is text", _example_with('"Q"'), "1 not-a-list history"),
        row(
            "a history that ends with a question",
            _example_with(f"[{_ASKED}]"),
            "1 last-role history[0].role",
        ),
        row(
            "a history that begins with an answer",
            _example_with(f"[{_SAID}, {_ASKED}, {_SAID}]"),
            "1 first-role history[0].role",
        ),
        row(
            "a history with two questions in a row",
            _example_with(f"[{_ASKED}, {_ASKED}, {_SAID}]"),
            "1 role-repeats history[1].role",
        ),
        row(
            "a blank turn in a history",
            _example_with(f'[{{"role": "user", "content": " "}}, {_SAID}]'),
            "1 empty history[0].content",
        ),
        row(
            "a system prompt in a history",
            _example_with(f'[{{"role": "system", "content": "S"}}, {_SAID}]'),
            "1 role history[0].role",
        ),
        row(
            "no key at all",
            "{}",
            "1 not-text id",
            "1 not-text question",
            "1 not-text reference_answer",
        ),
        row("no id", '{"question": "Q", "reference_answer": "A"}', "1 not-text id"),
        row("id a number", '{"id": 3, "question": "Q", "reference_answer": "A"}', "1 not-text id"),
        row("id empty", '{"id": "", "question": "Q", "reference_answer": "A"}', "1 empty id"),
        row("a blank question", "<R \u200b>", "1 empty <Q>"),
        row(
            "an answer of another type",
            '{"id": "a", "question": "Q", "reference_answer": []}',
            "1 not-text reference_answer",
        ),
        row(
            "topic a number",
            '{"id": "a", "question": "Q", "reference_answer": "A", "topic": 3}',
            "1 not-text topic",
        ),
        row(
            "topic empty",
            '{"id": "a", "question": "Q", "reference_answer": "A", "topic": ""}',
            "1 empty topic",
        ),
        row(
            "answer",
            '{"id": "a", "question": "Q", "reference_answer": "A", "answer": "B"}',
            "1 unknown-key answer",
        ),
        row("a training record", '{"messages": []}', "1 wrong-format"),
        row("an id twice", _SAME + "\n" + _SAME, "2 duplicate-id id"),
        row("an id three times", "\n".join([_SAME] * 3), "2 duplicate-id id", "3 duplicate-id id"),
        row(
            "an id of 128 characters",
            '{"id": "%s", "question": "Q", "reference_answer": "A"}' % ("x" * 128),
        ),
        row(
            "an id of 129 characters",
            '{"id": "%s", "question": "Q", "reference_answer": "A"}' % ("x" * 129),
            "1 id-too-long id",
        ),
        row(
            "id twice",
            '{"id": "a", "id": "b", "question": "Q", "reference_answer": "A"}',
            "1 duplicate-key id",
        ),
        row(
            "half a pair in an answer",
            r'{"id": "a", "question": "Q", "reference_answer": "\ud800"}',
            "1 lone-surrogate reference_answer",
        ),
        row("words reserved in training", r"<R User: a\nHuman: b>"),
        row("an empty file", "", "- too-few-records", fill="none"),
    ],
}
