"""Bytes that are no event, or one that somebody tampered with: more than 300 a host, made from its golden payloads.

Each comes with what must happen where the policy allows everything: True for a deny, False for an allow, None for either.
"""

import json

from host_golden import before

MUST_DENY, MUST_ALLOW, EITHER = True, False, None
NO_NAMES = (
    "", " ", "Bash ", " Bash", "Bash\n", "Bash\0", "Ba\tsh", "B\u0430sh", "Bash\u200b", "\uff22ash", "Bash\u202e", "B ash", "a" * 129,
    "fs\\read", "mcp__x__y;z", "$(id)", "`id`", "Bash'", 'Bash"', "{}", "*", "a,b", "a+b", "a=b", "a|b", "a&b", "a<b",
    "a>b", "a(b", "a)b", "a[b", "a]b", "a%b", "a#b", "a!b", "a?b", "a~b", "a^b", "\ud800", "\U0001f600", "\ue000", "\u00e9", "\ufeffBash",
)  # fmt: skip
NO_TEXTS = (None, True, False, 0, 1, -1, 1.5, [], ["Bash"], {}, {"name": "Bash"}, 10**30)
NO_OBJECTS = (
    None,
    True,
    False,
    0,
    1,
    -1.5,
    [],
    [{}],
    [1, 2],
    "",
    " ",
    "rm -rf /",
    "[]",
    "null",
    "1",
    '"{}"',
    "{",
    '{"a":NaN}',
    10**30,
)


def fields(host):
    """How this host's event before a call names its tool and its arguments."""
    return ("toolName", "toolArgs") if host == "copilot" else ("tool_name", "tool_input")


def corpus(host):
    """(label, bytes, what must happen)."""
    event = before(host)
    whole = json.dumps(event).encode()
    yield "as it comes", whole, MUST_ALLOW
    yield from _cut(whole)
    yield from _wrapped(host, event, whole)
    yield from _encoded(whole)
    yield from _fields(host, event)
    yield from _numbers(host, event)
    yield from _twice(host, event, whole)


def _cut(whole):
    for end in sorted({*range(0, len(whole), max(1, len(whole) // 90)), len(whole) - 1}):
        yield f"cut at {end}", whole[:end], MUST_DENY
    for start in range(1, 40, 2):
        yield f"begins at {start}", whole[start:], MUST_DENY


def _wrapped(host, event, whole):
    for label, data in (
        ("empty", b""), ("blank", b" \n\t "), ("a NUL", b"\0"), ("NULs", b"\0" * 4096), ("null", b"null"), ("true", b"true"),
        ("a number", b"1"), ("a text", b'"PreToolUse"'), ("a list", b"[]"), ("an empty object", b"{}"),
        ("in a list", b"[" + whole + b"]"), ("as a text", json.dumps(whole.decode()).encode()), ("a word", b"deny"),
        ("two", whole + whole), ("two lines", whole + b"\n" + whole), ("a comma behind", whole + b","),
        ("a NUL behind", whole + b"\0"), ("a brace behind", whole + b"}"), ("a word behind", whole + b" ok"),
        ("a comment behind", whole + b" // ok"), ("a comment before", b"/**/" + whole), ("a NUL before", b"\0" + whole),
        ("a form feed before", b"\f" + whole), ("a no-break space before", b"\xc2\xa0" + whole), ("a prefix", b")]}',\n" + whole),
        ("single quotes", whole.replace(b'"', b"'")), ("a comma inside", whole[:-1] + b",}"), ("no quotes", b"{tool_name: Bash}"),
    ):  # fmt: skip
        yield label, data, MUST_DENY
    yield "a newline behind", whole + b"\r\n", MUST_ALLOW
    yield "indented", json.dumps(event, indent=4).encode(), MUST_ALLOW
    _, args = fields(host)
    for depth in (65, 200, 2_000, 100_000):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        yield f"nested {depth}", whole[:-1] + b',"more":' + nested + b"}", MUST_DENY
        yield f"a list of {depth}", b"[" * depth + b"]" * depth, MUST_DENY
        yield f"open lists of {depth}", b"[" * depth, MUST_DENY
        yield (
            f"arguments {depth} deep",
            json.dumps({**event, args: 0}).encode().replace(b'": 0}', b'": ' + nested + b"}"),
            MUST_DENY,
        )
    yield "nested 40", json.dumps({**event, args: json.loads('{"a":' * 40 + "1" + "}" * 40)}).encode(), MUST_ALLOW
    yield "4 MiB of arguments", json.dumps({**event, args: {"command": "x" * (4 << 20)}}).encode(), EITHER
    yield "longer than 16 MiB", whole[:-1] + b" " * (16 << 20) + b"}", MUST_DENY


def _encoded(whole):
    text = whole.decode()
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-7", "cp037"):
        data = text.encode(encoding)
        yield encoding, data, EITHER if data == whole else MUST_DENY
    for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xe2\x82", b"\xc1\xbf"):
        yield f"{bad!r} inside", whole.replace(b"command", b"comm" + bad + b"and", 1), MUST_DENY
        yield f"{bad!r} in front", bad + whole, MUST_DENY
        yield f"{bad!r} behind", whole + bad, MUST_DENY


def _fields(host, event):
    tool, args = fields(host)
    for name in NO_NAMES:
        yield f"a tool called {name!a}", json.dumps({**event, tool: name}).encode(), MUST_DENY
    for value in NO_TEXTS:
        yield f"the tool is {value!a}", json.dumps({**event, tool: value}).encode(), MUST_DENY
    for value in NO_OBJECTS:
        yield f"the arguments are {value!a}", json.dumps({**event, args: value}).encode(), MUST_DENY
    for name in (tool, args):
        yield f"without {name}", json.dumps({k: v for k, v in event.items() if k != name}).encode(), MUST_DENY
        for other in (name.upper(), f" {name}", f"{name}\0", name.replace("t", "\u0442")):
            changed = {k: v for k, v in event.items() if k != name} | {other: event[name]}
            yield f"{other!a} for {name}", json.dumps(changed).encode(), MUST_DENY
    if host != "copilot":
        for value in (*NO_TEXTS, ""):
            yield f"the event is {value!a}", json.dumps({**event, "hook_event_name": value}).encode(), MUST_DENY
        yield "no event", json.dumps({k: v for k, v in event.items() if k != "hook_event_name"}).encode(), MUST_DENY
    session = {"copilot": "sessionId", "cursor": "conversation_id"}.get(host, "session_id")
    for value in (1, [], {}, True, "a\nb", "\u202e", "x" * 257, "\0"):
        yield f"the session is {value!a}", json.dumps({**event, session: value}).encode(), MUST_DENY
    for value in ("\ud800", "\0", "\x1b]52;c;AAAA\x07", "\u202egnp.exe", "x" * 100_000, "'; DROP TABLE holds; --"):
        yield f"a command of {value[:8]!a}", json.dumps({**event, args: {"command": value}}).encode(), EITHER
    for key in ("__proto__", "constructor", "$integer", "", "\0", "a.b", "tool_name"):
        yield f"an argument {key!a}", json.dumps({**event, args: {key: {"x": 1}}}).encode(), MUST_ALLOW


def _numbers(host, event):
    _, args = fields(host)
    text = json.dumps({**event, args: {"n": "@"}})
    for number in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 401, "9" * 5_000, "01", "+1", ".5", "1.", "0x10", "1_0", "undefined", "TRUE", "None"):  # fmt: skip
        yield f"the number {number[:12]}", text.replace('"@"', number).encode(), MUST_DENY
    for number in ("-0.0", "1e308", "5e-324", "9007199254740993", "1.0"):
        yield f"the number {number}", text.replace('"@"', number).encode(), MUST_ALLOW


def _twice(host, event, whole):
    tool, args = fields(host)
    for key, bad in ((tool, '"B ash"'), (tool, "1"), (args, "[]"), (args, "1")):
        yield f"{key} twice, the last is bad", whole[:-1] + f',"{key}":{bad}'.encode() + b"}", MUST_DENY
        yield f"{key} twice, the first is bad", b"{" + f'"{key}":{bad},'.encode() + whole[1:], MUST_ALLOW
    spelled = "".join(f"\\u{ord(char):04x}" for char in tool)
    yield "the tool twice, once escaped", whole[:-1] + f',"{spelled}":"B ash"'.encode() + b"}", MUST_DENY
