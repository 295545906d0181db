"""Rows of the Claude format: {"system": text, "messages": [{"role", "content": text}]}."""

from __future__ import annotations

from tests.unit.validation.corpus.corpus import Table, row

_SHORT = '{"role": "user", "content": "Qs"}, {"role": "assistant", "content": "As"}'
CLAUDE: Table = {
    "good": [
        row("with a system prompt", '{"system": "S", "messages": [<U>, <A>]}'),
        row("four messages", '{"messages": [<U>, <A>, <U>, <A>]}'),
        row("the keys in another order", '{"messages": [<U>, <A>], "system": "S"}'),
        row(
            "no spaces",
            '{"messages":[{"role":"user","content":"Q"},{"content":"A","role":"assistant"}]}',
        ),
        row("keys, escaped", r'{"mess\u0061ges": [<U>, <A>]}'),
        row("roles, escaped", r'{"messages": [{"role": "\u0075ser", "content": "Q"}, <A>]}'),
    ],
    "keys": [
        row("no key at all", "{}", "1 messages messages"),
        row("sytem", '{"sytem": "S", "messages": [<U>, <A>]}', "1 unknown-key sytem"),
        row("System", '{"System": "S", "messages": [<U>, <A>]}', "1 unknown-key System"),
        row(
            "a space after a key",
            '{"system ": "S", "messages": [<U>, <A>]}',
            '1 unknown-key "system "',
        ),
        row("an empty key", '{"": 1, "messages": [<U>, <A>]}', '1 unknown-key ""'),
        row("an unknown null", '{"id": null, "messages": [<U>, <A>]}', "1 unknown-key id"),
        row("message", '{"message": [<U>, <A>]}', "1 unknown-key message", "1 messages messages"),
        row(
            "name in a message",
            '{"messages": [{"role": "user", "content": "Q", "name": "N"}, <A>]}',
            "1 unknown-key messages[0].name",
        ),
        row(
            "text for content",
            '{"messages": [{"role": "user", "text": "Q"}, <A>]}',
            "1 unknown-key messages[0].text",
            "1 not-text messages[0].content",
        ),
        row(
            "half a pair in a key",
            r'{"\ud83d": 1, "messages": [<U>, <A>]}',
            r'1 unknown-key "\ud83d"',
        ),
        row(
            "system twice",
            '{"system": "S", "system": "T", "messages": [<U>, <A>]}',
            "1 duplicate-key system",
        ),
        row(
            "system twice, alike",
            '{"system": "S", "system": "S", "messages": [<U>, <A>]}',
            "1 duplicate-key system",
        ),
        row(
            "a key twice, once escaped",
            r'{"system": "S", "s\u0079stem": "T", "messages": [<U>, <A>]}',
            "1 duplicate-key system",
        ),
        row(
            "messages twice", '{"messages": [], "messages": [<U>, <A>]}', "1 duplicate-key messages"
        ),
        row(
            "role twice",
            '{"messages": [{"role": "user", "role": "user", "content": "Q"}, <A>]}',
            "1 duplicate-key role",
        ),
        row(
            "content twice",
            '{"messages": [<U>, {"role": "assistant", "content": "", "content": "A"}]}',
            "1 duplicate-key content",
        ),
        row(
            "an unknown key twice, deep",
            '{"messages": [<U>, <A>], "x": [[{"y": 1, "y": 1}]]}',
            "1 duplicate-key y",
            "1 unknown-key x",
        ),
        row(
            "a key that is a backslash, twice",
            r'{"messages": [<U>, <A>], "\\": 1, "\\": 1}',
            r'1 duplicate-key "\\"',
            r'1 unknown-key "\\"',
        ),
        row(
            "what a second key hides",
            '{"messages": [<U>], "messages": 7}',
            "1 duplicate-key messages",
            "1 messages messages",
        ),
        row(
            "a quote where a key could be",
            r'{"system": "\", \"system\": \"", "messages": [<U>, <A>]}',
        ),
    ],
    "types": [
        row("system null", '{"system": null, "messages": [<U>, <A>]}', "1 not-text system"),
        row("system a number", '{"system": 7, "messages": [<U>, <A>]}', "1 not-text system"),
        row(
            "system an object",
            '{"system": {"text": "S"}, "messages": [<U>, <A>]}',
            "1 not-text system",
        ),
        row("messages null", '{"messages": null}', "1 messages messages"),
        row("messages an object", '{"messages": {"0": <U>, "1": <A>}}', "1 messages messages"),
        row("messages a text", '{"messages": "[]"}', "1 messages messages"),
        row("messages a number", '{"messages": 2}', "1 messages messages"),
        row("a message a text", '{"messages": [<U>, "A"]}', "1 message messages[1]"),
        row("a message null", '{"messages": [null, <A>]}', "1 message messages[0]"),
        row("a message a list", '{"messages": [[<U>, <A>], <A>]}', "1 message messages[0]"),
        row(
            "content null",
            '{"messages": [<U>, {"role": "assistant", "content": null}]}',
            "1 not-text messages[1].content",
        ),
        row(
            "content missing",
            '{"messages": [<U>, {"role": "assistant"}]}',
            "1 not-text messages[1].content",
        ),
        row(
            "content a number",
            '{"messages": [<U>, {"role": "assistant", "content": 3.5}]}',
            "1 not-text messages[1].content",
        ),
        row(
            "content true",
            '{"messages": [<U>, {"role": "assistant", "content": true}]}',
            "1 not-text messages[1].content",
        ),
        row(
            "content a list of blocks",
            '{"messages": [<U>, {"role": "assistant", "content": [{"text": "A"}]}]}',
            "1 not-text messages[1].content",
        ),
        row(
            "an integer beyond 64 bits",
            '{"system": 99999999999999999999, "messages": [<U>, <A>]}',
            "1 not-text system",
        ),
        row(
            "a number beyond all", '{"system": 1e999, "messages": [<U>, <A>]}', "1 not-text system"
        ),
        row(
            "role null",
            '{"messages": [{"role": null, "content": "Q"}, <A>]}',
            "1 role messages[0].role",
        ),
        row("role missing", '{"messages": [{"content": "Q"}, <A>]}', "1 role messages[0].role"),
        row(
            "role a list",
            '{"messages": [{"role": ["user"], "content": "Q"}, <A>]}',
            "1 role messages[0].role",
        ),
        row(
            "role an object",
            '{"messages": [{"role": {}, "content": "Q"}, <A>]}',
            "1 role messages[0].role",
        ),
        row(
            "role a number",
            '{"messages": [{"role": 0, "content": "Q"}, <A>]}',
            "1 role messages[0].role",
        ),
        row(
            "nothing right in a message",
            '{"messages": [{}, <A>]}',
            "1 role messages[0].role",
            "1 not-text messages[0].content",
        ),
    ],
    "roles": [
        row("no messages", '{"messages": []}', "1 too-few-messages messages"),
        row(
            "one message",
            '{"messages": [<U>]}',
            "1 too-few-messages messages",
            "1 last-role messages[0].role",
        ),
        row(
            "only an answer",
            '{"messages": [<A>]}',
            "1 too-few-messages messages",
            "1 first-role messages[0].role",
        ),
        row(
            "the assistant first", '{"messages": [<A>, <U>, <A>]}', "1 first-role messages[0].role"
        ),
        row("the user last", '{"messages": [<U>, <A>, <U>]}', "1 last-role messages[2].role"),
        row(
            "the wrong way round",
            '{"messages": [<A>, <U>]}',
            "1 first-role messages[0].role",
            "1 last-role messages[1].role",
        ),
        row("two questions", '{"messages": [<U>, <U>, <A>]}', "1 role-repeats messages[1].role"),
        row("two answers", '{"messages": [<U>, <A>, <A>]}', "1 role-repeats messages[2].role"),
        row(
            "three questions",
            '{"messages": [<U>, <U>, <U>, <A>]}',
            "1 role-repeats messages[1].role",
            "1 role-repeats messages[2].role",
        ),
        row(
            "a system message",
            '{"messages": [{"role": "system", "content": "S"}, <U>, <A>]}',
            "1 role messages[0].role",
        ),
        row(
            "User",
            '{"messages": [{"role": "User", "content": "Q"}, <A>]}',
            "1 role messages[0].role",
        ),
        row(
            "a space after a role",
            '{"messages": [{"role": "user ", "content": "Q"}, <A>]}',
            "1 role messages[0].role",
        ),
        row(
            "a line feed after a role",
            r'{"messages": [{"role": "user\n", "content": "Q"}, <A>]}',
            "1 role messages[0].role",
        ),
        row(
            "an empty role",
            '{"messages": [{"role": "", "content": "Q"}, <A>]}',
            "1 role messages[0].role",
        ),
        row(
            "human",
            '{"messages": [{"role": "human", "content": "Q"}, <A>]}',
            "1 role messages[0].role",
        ),
    ],
    "text": [
        row("an empty question", "<R >", "1 empty <Q>"),
        row(
            "an empty answer",
            '{"messages": [<U>, {"role": "assistant", "content": ""}]}',
            "1 empty messages[1].content",
        ),
        row("a blank question", "<R   >", "1 empty <Q>"),
        row("a tab and a line feed", r"<R \t\n>", "1 empty <Q>"),
        row("a no-break space", "<R \u00a0>", "1 empty <Q>"),
        row("an ideographic space", "<R \u3000>", "1 empty <Q>"),
        row("a zero-width space", "<R \u200b>", "1 empty <Q>"),
        row("a zero-width space, escaped", r"<R \u200b>", "1 empty <Q>"),
        row("a zero-width joiner", "<R \u200d\u200d>", "1 empty <Q>"),
        row("a byte order mark as text", "<R \ufeff>", "1 empty <Q>"),
        row("a word joiner", "<R \u2060>", "1 empty <Q>"),
        row("a soft hyphen", "<R \u00ad>", "1 empty <Q>"),
        row("a Hangul filler", "<R \u3164>", "1 empty <Q>"),
        row("an empty braille cell", "<R \u2800>", "1 empty <Q>"),
        row("a variation selector", "<R \ufe0f>", "1 empty <Q>"),
        row("tag characters", "<R \U000e0041\U000e0042>", "1 empty <Q>"),
        row("control characters", r"<R \u0000\u001f\u007f>", "1 empty <Q>"),
        row("a zero-width space within text", "<R a\u200bb>"),
        row("a full stop", "<R .>"),
        row("an empty system prompt", '{"system": "", "messages": [<U>, <A>]}'),
        row(
            "a blank system prompt",
            r'{"system": "\n\u200b", "messages": [<U>, <A>]}',
        ),
        row(
            "half a pair in the system prompt",
            r'{"system": "\udfff", "messages": [<U>, <A>]}',
            "1 lone-surrogate system",
        ),
    ],
    "reserved words": [
        row("Human in a question", r"<R a\nHuman: b>", "1 reserved-word <Q>"),
        row("Human first", r"<R \nHuman:>", "1 reserved-word <Q>"),
        row("Human, escaped", r"<R a\u000aHum\u0061n: b>", "1 reserved-word <Q>"),
        row(
            "Assistant in an answer",
            r'{"messages": [<U>, {"role": "assistant", "content": "a\nAssistant:"}]}',
            "1 reserved-word messages[1].content",
        ),
        row(
            "Human in the system prompt",
            r'{"system": "a\n\nHuman: b", "messages": [<U>, <A>]}',
            "1 reserved-word system",
        ),
        row(
            "both in one text",
            r"<R \nHuman: a\nAssistant: b>",
            "1 reserved-word <Q>",
            "1 reserved-word <Q>",
        ),
        row("after another line feed", r"<R a\nb\nHuman: c>", "1 reserved-word <Q>"),
        row("no line feed before", "<R Human: a>"),
        row("a space between", r"<R a\n Human: b>"),
        row("no colon", r"<R a\nHuman b>"),
        row("small letters", r"<R a\nhuman: b>"),
        row("a carriage return before", r"<R a\rHuman: b>"),
        row("Nova's words", "<R User: a [EOS]>"),
    ],
    "another format": [
        row(
            "Converse",
            '{"schemaVersion": "bedrock-conversation-2024", "messages": [<U>, <A>]}',
            "1 wrong-format",
        ),
        row(
            "system as blocks",
            '{"system": [{"text": "S"}], "messages": [<U>, <A>]}',
            "1 wrong-format",
        ),
        row("prompt and completion", '{"prompt": "Q", "completion": "A"}', "1 wrong-format"),
        row("question and answer", '{"question": "Q", "answer": "A"}', "1 wrong-format"),
        row("Question and Answer", '{"Question": "Q", "Answer": "A"}', "1 wrong-format"),
        row(
            "instruction and output",
            '{"instruction": "Q", "input": "", "output": "A"}',
            "1 wrong-format",
        ),
        row("a prompt alone", '{"prompt": "Q"}', "1 unknown-key prompt", "1 messages messages"),
        row("a text", '{"text": "Q A"}', "1 unknown-key text", "1 messages messages"),
    ],
    "many at once": [
        row(
            "five faults",
            '{"sytem": "S", "messages": [<A>, {"role": "user", "content": ""}]}',
            "1 unknown-key sytem",
            "1 first-role messages[0].role",
            "1 last-role messages[1].role",
            "1 empty messages[1].content",
        ),
        row(
            "a fault on every line",
            '{"messages": []}\n[]\n{\n\n<R>\n{"messages": [<U>]}',
            "1 too-few-messages messages",
            "2 not-an-object",
            "3 not-json",
            "4 blank-line",
            "6 too-few-messages messages",
            "6 last-role messages[0].role",
        ),
    ],
    "tokens": [
        row("at the limit", f"<R {'word ' * 34507}hell>", "1 ?maybe-too-many-tokens"),
        row("beyond the limit", f"<R {'word ' * 34507}hello>", "1 too-many-tokens"),
        row("digits, perhaps beyond", f"<R {'7' * 33_000}>", "1 ?maybe-too-many-tokens"),
        row("digits, surely not", f"<R {'7' * 31_900}>"),
        row("Japanese, perhaps beyond", f"<R {'あ' * 40_000}>", "1 ?maybe-too-many-tokens"),
        row("Japanese, surely beyond", f"<R {'あ' * 66_500}>", "1 too-many-tokens"),
        row(
            "messages of two characters",
            '{"messages": [' + ", ".join([_SHORT] * 48_002) + "]}",
            "1 too-many-tokens",
        ),
        row(
            "a system prompt beyond the limit",
            '{"system": "%s", "messages": [<U>, <A>]}' % ("x" * 192_004),
            "1 too-many-tokens",
        ),
        row("far below the limit", f"<R {'word ' * 2000}>"),
    ],
}
CLAUDE_COUNTS: Table = {
    "counts": [
        row("an empty file", "", "- too-few-records", fill="none"),
        row("a line feed alone", "\n", "1 blank-line", "- too-few-records", fill="none"),
        row("31 records", "<R>\n" * 31, "- too-few-records", fill="none"),
        row("32 records", "<R>\n" * 32, fill="none"),
        row(
            "31 records and blank lines",
            "<R>\n" * 31 + "\n\n",
            "32 blank-line",
            "33 blank-line",
            "- too-few-records",
            fill="none",
        ),
        row("31 records and a wrong one", "<R>\n" * 31 + "{\n", "32 not-json", fill="none"),
        row("10,000 records", "<R>\n" * 10_000, fill="none"),
        row(
            "10,001 records",
            "<R>\n" * 10_001,
            "- too-many-records",
            "- too-many-records",
            fill="none",
        ),
    ],
    "keys in S3": [
        row("a good key", "<R>", key="s3://bucket/datasets/a-b_c.9/train.jsonl"),
        row("an equals sign", "<R>", "- bad-key", key="s3://bucket/date=2026/train.jsonl"),
        row("a space", "<R>", "- bad-key", key="s3://bucket/my data/train.jsonl"),
        row("an accent", "<R>", "- bad-key", key="s3://bucket/donn\u00e9es.jsonl"),
        row("a plus sign", "<R>", "- bad-key", key="s3://bucket/a+b.jsonl"),
        row("no key", "<R>", "- bad-key", key="s3://bucket/"),
        row("a line feed after the key", "<R>", "- bad-key", key="s3://bucket/train.jsonl\n"),
        row("a path is no key", "<R>", key="/home/my data/train.jsonl"),
    ],
}
CLAUDE_VALIDATION: Table = {
    "validation file": [
        row("32 records", "<R>\n" * 32, fill="none"),
        row("an empty file", "", "- too-few-records", fill="none"),
        row(
            "a wrong record",
            '{"messages": [<U>]}',
            "1 too-few-messages messages",
            "1 last-role messages[0].role",
        ),
        row("a byte order mark", b"\xef\xbb\xbf<R>", "1 byte-order-mark"),
        row("1,000 records", "<R>\n" * 1000, fill="none"),
        row("1,001 records", "<R>\n" * 1001, "- too-many-records", fill="none"),
    ],
}
