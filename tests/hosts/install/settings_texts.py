"""Random settings as people write them: JSON with comments, TOML, other people's hooks in both."""

import json

from hypothesis import strategies as st

EVENTS = {
    "claude": ("PreToolUse", "PostToolUse", "Stop"),
    "codex": ("PreToolUse", "PostToolUse", "Stop"),
    "gemini": ("BeforeTool", "AfterTool", "SessionStart"),
    "cursor": ("preToolUse", "postToolUse", "stop"),
    "copilot": ("preToolUse", "postToolUse", "sessionStart"),
}
GROUPED = ("claude", "codex", "gemini")
_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=8)
_LEAVES = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | _WORDS | st.just("// no comment */ ,}]")
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3), max_leaves=8
)
_COMMANDS = st.sampled_from(("lint", "/opt/guard check", "npx -y other hook claude", "echo 'codespar' >> log"))
_BLANKS = st.sampled_from(("", " ", "\n", "\r\n", "\t", "  \n\n  "))
_COMMENTS = st.sampled_from(("// one, two } ]\n", '/* { " , */', "/**/", "//\n"))


def other_hook(host, command):
    key = "bash" if host == "copilot" else "command"
    handler = {"type": "command", key: command, "timeout": 7}
    return {"matcher": "Bash", "hooks": [handler]} if host in GROUPED else handler


@st.composite
def settings(draw, host):
    """What a host's settings might say, with hooks of others in it or without."""
    said = draw(st.dictionaries(_WORDS.filter(lambda word: word not in {"hooks", "version"}), _VALUES, max_size=4))
    if draw(st.booleans()):
        said["version"] = draw(st.sampled_from((1, 2)))
    if draw(st.booleans()):
        events = st.dictionaries(
            st.sampled_from(EVENTS[host]),
            st.lists(_COMMANDS.map(lambda command: other_hook(host, command)), max_size=3),
            max_size=3,
        )
        said["hooks"] = draw(events)
    items = list(said.items())
    return dict(draw(st.permutations(items)))


@st.composite
def json_texts(draw, host):
    """The same, written down: indented, on one line, or with blanks and comments anywhere between two signs."""
    said = draw(settings(host))
    form = draw(st.sampled_from((0, 1, 2, 3, 3, 3)))
    if form < 3:
        indent = (None, 2, "\t")[form]
        text = json.dumps(said, indent=indent, ensure_ascii=draw(st.booleans())) + draw(st.sampled_from(("", "\n")))
        return text.replace("\n", "\r\n") if draw(st.booleans()) else text
    gap = st.lists(_BLANKS | _COMMENTS, max_size=2).map("".join)
    return draw(gap) + _written(draw, said, gap) + draw(gap)


def _written(draw, value, gap):
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}{draw(gap)}:{draw(gap)}{_written(draw, one, gap)}" for key, one in value.items()]
        return "{" + _joined(draw, parts, gap) + "}"
    if isinstance(value, list):
        return "[" + _joined(draw, [_written(draw, one, gap) for one in value], gap) + "]"
    return json.dumps(value, ensure_ascii=False)


def _joined(draw, parts, gap):
    text = ",".join(f"{draw(gap)}{part}{draw(gap)}" for part in parts) + (draw(gap) if not parts else "")
    return text + (f",{draw(gap)}" if parts and draw(st.booleans()) else "")


_TOML_PARTS = (
    'model = "gpt-5"\n',
    "# [[hooks.PreToolUse]] in a comment\n",
    'notes = """\n[[hooks.PreToolUse]]\ncommand = "codespar hook codex"\n"""\n',
    "words = '''\n[hooks]\n'''\n",
    "list = [\n  [1, 2], # ]\n  [3],\n]\n",
    "[features]\nhooks = true\n",
    '[projects."/home/dev/[x]"]\ntrust_level = "trusted"\n',
    '[[hooks.PreToolUse]]\nmatcher = "Bash"\n[[hooks.PreToolUse.hooks]]\ntype = "command"\ncommand = "lint"\n',
    '[[ hooks . "PreToolUse" ]]\n  [[hooks.PreToolUse.hooks]]\n  type = "command"\n  command = "guard \\"x\\""\n',
    '[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "bell"\n# the end\n',
    '[hooks.state."/home/dev/.codex/config.toml:pre_tool_use:0:0"]\ntrusted_hash = "sha256:00"\n',
)
_TOML_PLAIN = 5


@st.composite
def toml_texts(draw):
    """config.toml: plain keys first, tables in any order after them."""
    plain = draw(st.lists(st.sampled_from(_TOML_PARTS[:_TOML_PLAIN]), unique=True))
    tables = draw(st.lists(st.sampled_from(_TOML_PARTS[_TOML_PLAIN:]), unique=True))
    text = "\n".join((*plain, *tables)) + draw(st.sampled_from(("", "\n", "# last")))
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text
