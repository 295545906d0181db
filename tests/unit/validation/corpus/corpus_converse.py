"""Rows of the Converse format: schemaVersion, system and messages, with content in blocks."""

from __future__ import annotations

from tests.unit.validation.corpus.corpus import Table, row

CONVERSE: Table = {
    "good": [
        row("with a system prompt", '{<V>, "system": [{"text": "S"}], "messages": [<U>, <A>]}'),
        row(
            "two blocks",
            '{<V>, "messages": [{"role": "user", "content": [{"text": "Q"}, {"text": "R"}]}, <A>]}',
        ),
        row(
            "two system blocks",
            '{<V>, "system": [{"text": "S"}, {"text": "T"}], "messages": [<U>, <A>]}',
        ),
        row("six messages", '{<V>, "messages": [<U>, <A>, <U>, <A>, <U>, <A>]}'),
        row(
            "the keys in another order", '{"messages": [<U>, <A>], "system": [{"text": "S"}], <V>}'
        ),
        row("no spaces", '{"schemaVersion":"bedrock-conversation-2024","messages":[<U>,<A>]}'),
    ],
    "keys": [
        row("no key at all", "{}", "1 schema-version schemaVersion", "1 messages messages"),
        row("no version", '{"messages": [<U>, <A>]}', "1 schema-version schemaVersion"),
        row(
            "a version null",
            '{"schemaVersion": null, "messages": [<U>, <A>]}',
            "1 schema-version schemaVersion",
        ),
        row(
            "a version of another type",
            '{"schemaVersion": 2024, "messages": [<U>, <A>]}',
            "1 schema-version schemaVersion",
        ),
        row(
            "another version",
            '{"schemaVersion": "tooluse-dataset-2024", "messages": [<U>, <A>]}',
        ),
        row("sistem", '{<V>, "sistem": [], "messages": [<U>, <A>]}', "1 unknown-key sistem"),
        row(
            "schemaversion",
            '{"schemaversion": "x", <V>, "messages": [<U>, <A>]}',
            "1 unknown-key schemaversion",
        ),
        row(
            "name in a message",
            '{<V>, "messages": [{"role": "user", "name": "N", "content": [{"text": "Q"}]}, <A>]}',
            "1 unknown-key messages[0].name",
        ),
        row(
            "type in a block",
            '{<V>, "messages": ['
            '{"role": "user", "content": [{"type": "text", "text": "Q"}]}, <A>]}',
            "1 unknown-key messages[0].content[0].type",
        ),
        row(
            "an image beside a text",
            '{<V>, "messages": ['
            '{"role": "user", "content": [{"text": "Q"}, {"text": "R", "image": {}}]}, <A>]}',
            "1 unknown-key messages[0].content[1].image",
        ),
        row(
            "a key of a system block",
            '{<V>, "system": [{"text": "S", "cache": 1}], "messages": [<U>, <A>]}',
            "1 unknown-key system[0].cache",
        ),
        row("version twice", '{<V>, <V>, "messages": [<U>, <A>]}', "1 duplicate-key schemaVersion"),
        row(
            "text twice in a block",
            '{<V>, "messages": [{"role": "user", "content": [{"text": "Q", "text": "R"}]}, <A>]}',
            "1 duplicate-key text",
        ),
        row(
            "content twice",
            '{<V>, "messages": [<U>, '
            '{"role": "assistant", "content": [], "content": [{"text": "A"}]}]}',
            "1 duplicate-key content",
        ),
    ],
    "types": [
        row("system a text", '{<V>, "system": "S", "messages": [<U>, <A>]}', "1 not-a-list system"),
        row("system null", '{<V>, "system": null, "messages": [<U>, <A>]}', "1 not-a-list system"),
        row(
            "system an object",
            '{<V>, "system": {"text": "S"}, "messages": [<U>, <A>]}',
            "1 not-a-list system",
        ),
        row(
            "a system block a text",
            '{<V>, "system": ["S"], "messages": [<U>, <A>]}',
            "1 content-block system[0]",
        ),
        row(
            "a system text a number",
            '{<V>, "system": [{"text": 1}], "messages": [<U>, <A>]}',
            "1 not-text system[0].text",
        ),
        row("messages a text", '{<V>, "messages": "x"}', "1 messages messages"),
        row("messages missing", "{<V>}", "1 messages messages"),
        row("a message a number", '{<V>, "messages": [<U>, 1]}', "1 message messages[1]"),
        row(
            "content a text",
            '{<V>, "messages": [<U>, {"role": "assistant", "content": "A"}]}',
            "1 not-a-list messages[1].content",
        ),
        row(
            "content an object",
            '{<V>, "messages": [<U>, {"role": "assistant", "content": {"text": "A"}}]}',
            "1 not-a-list messages[1].content",
        ),
        row(
            "content missing",
            '{<V>, "messages": [<U>, {"role": "assistant"}]}',
            "1 not-a-list messages[1].content",
        ),
        row(
            "a block a text",
            '{<V>, "messages": [<U>, {"role": "assistant", "content": ["A"]}]}',
            "1 content-block messages[1].content[0]",
        ),
        row(
            "a block null",
            '{<V>, "messages": [<U>, {"role": "assistant", "content": [null]}]}',
            "1 content-block messages[1].content[0]",
        ),
        row(
            "a block without text",
            '{<V>, "messages": [<U>, {"role": "assistant", "content": [{}]}]}',
            "1 not-text messages[1].content[0].text",
        ),
        row(
            "a text a list",
            '{<V>, "messages": [<U>, {"role": "assistant", "content": [{"text": ["A"]}]}]}',
            "1 not-text messages[1].content[0].text",
        ),
        row(
            "an image alone",
            '{<V>, "messages": [{"role": "user", "content": [{"image": {}}]}, <A>]}',
            "1 unknown-key messages[0].content[0].image",
        ),
        row(
            "a tool call beside an unknown key",
            '{<V>, "messages": ['
            '<U>, {"role": "assistant", "content": [{"toolUse": {}, "text ": "A"}]}]}',
            "1 unknown-key messages[1].content[0].toolUse",
            '1 unknown-key messages[1].content[0]."text "',
        ),
        row(
            "reasoning, which this model is not trained on",
            '{<V>, "messages": [<U>, {"role": "assistant", "content": ['
            '{"reasoningContent": {"reasoningText": {"text": "R"}}}, {"text": "A"}]}]}',
            "1 unknown-key messages[1].content[0].reasoningContent",
        ),
        row(
            "role a number",
            '{<V>, "messages": [{"role": 1, "content": [{"text": "Q"}]}, <A>]}',
            "1 role messages[0].role",
        ),
    ],
    "roles": [
        row("no messages", '{<V>, "messages": []}', "1 too-few-messages messages"),
        row(
            "one message",
            '{<V>, "messages": [<U>]}',
            "1 too-few-messages messages",
            "1 last-role messages[0].role",
        ),
        row(
            "the assistant first",
            '{<V>, "messages": [<A>, <U>, <A>]}',
            "1 first-role messages[0].role",
        ),
        row("the user last", '{<V>, "messages": [<U>, <A>, <U>]}', "1 last-role messages[2].role"),
        row("two answers", '{<V>, "messages": [<U>, <A>, <A>]}', "1 role-repeats messages[2].role"),
        row(
            "a system message",
            '{<V>, "messages": [{"role": "system", "content": [{"text": "S"}]}, <U>, <A>]}',
            "1 role messages[0].role",
        ),
        row(
            "ASSISTANT",
            '{<V>, "messages": [<U>, {"role": "ASSISTANT", "content": [{"text": "A"}]}]}',
            "1 role messages[1].role",
        ),
    ],
    "text": [
        row("an empty system list", '{<V>, "system": [], "messages": [<U>, <A>]}'),
        row(
            "an empty system text",
            '{<V>, "system": [{"text": ""}], "messages": [<U>, <A>]}',
        ),
        row(
            "an empty system text beside another",
            '{<V>, "system": [{"text": ""}, {"text": "S"}], "messages": [<U>, <A>]}',
            "1 empty system[0].text",
        ),
        row(
            "an empty content list",
            '{<V>, "messages": [<U>, {"role": "assistant", "content": []}]}',
            "1 empty messages[1].content",
        ),
        row("a blank text", "<R  >", "1 empty <Q>"),
        row("a zero-width space", "<R \u200b>", "1 empty <Q>"),
        row(
            "an empty second block",
            '{<V>, "messages": [{"role": "user", "content": [{"text": "Q"}, {"text": ""}]}, <A>]}',
            "1 empty messages[0].content[1].text",
        ),
    ],
    "reserved words": [
        row("User:", "<R User: a>", "1 reserved-word messages[0].content"),
        row("after another colon", "<R a: b User: c>", "1 reserved-word messages[0].content"),
        row("after another bracket", "<R a] [EOS]>", "1 reserved-word messages[0].content"),
        row("within a word", "<R SuperUser: a>", "1 reserved-word messages[0].content"),
        row(
            "System: in the system prompt",
            '{<V>, "system": [{"text": "System: S"}], "messages": [<U>, <A>]}',
            "1 reserved-word system",
        ),
        row("an image sign", r"<R a [EOS] b>", "1 reserved-word messages[0].content"),
        row("a video sign", r"<R \u003cvideo\u003e>", "1 reserved-word messages[0].content"),
        row(
            "two words",
            "<R Bot: a Assistant: b>",
            "1 reserved-word messages[0].content",
            "1 reserved-word messages[0].content",
        ),
        row(
            "in an answer",
            '{<V>, "messages": [<U>, {"role": "assistant", "content": [{"text": "Bot: a"}]}]}',
            "1 ?reserved-word messages[1].content",
        ),
        row("a word of AWS's checker", "<R Thought: a>", "1 ?reserved-word messages[0].content"),
        row("in capitals", "<R USER: a>", "1 ?reserved-word messages[0].content"),
        row("no colon", "<R User a, Bot b, EOS>"),
        row("small letters", "<R a user: b>", "1 ?reserved-word messages[0].content"),
        row("a full-width colon", "<R User\uff1a a>"),
        row(
            "in a second block",
            '{<V>, "messages": ['
            '{"role": "user", "content": [{"text": "Q"}, {"text": "User: x"}]}, <A>]}',
            "1 reserved-word messages[0].content",
        ),
        row("Claude's words", r"<R a\nHuman: b>"),
    ],
    "another format": [
        row(
            "Claude",
            '{"system": "S", "messages": [{"role": "user", "content": "Q"}]}',
            "1 wrong-format",
        ),
        row(
            "Claude without a system prompt",
            '{"messages": [{"role": "user", "content": "Q"}, '
            '{"role": "assistant", "content": "A"}]}',
            "1 wrong-format",
        ),
        row("prompt and completion", '{"prompt": "Q", "completion": "A"}', "1 wrong-format"),
        row("sentence1 and sentence2", '{"sentence1": "Q", "sentence2": "A"}', "1 wrong-format"),
    ],
    "tokens": [
        row("beyond the limit", f"<R {'word ' * 34920}hello>", "1 too-many-tokens"),
        row(
            "blocks beyond the limit together",
            '{<V>, "messages": [{"role": "user", "content": ['
            + ", ".join(['{"text": "wordword"}'] * 21_400)
            + "]}, <A>]}",
            "1 too-many-tokens",
        ),
    ],
}
CONVERSE_COUNTS: Table = {
    "counts": [
        row("an empty file", "", "- too-few-records", fill="none"),
        row("7 records", "<R>\n" * 7, "- too-few-records", fill="none"),
        row("8 records", "<R>\n" * 8, fill="none"),
        row(
            "20,001 records",
            "<R>\n" * 20_001,
            "- too-many-records",
            "- too-many-records",
            fill="none",
        ),
    ],
}
