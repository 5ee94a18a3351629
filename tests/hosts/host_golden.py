"""What hosts send and what they understand, from the fixtures; and a validator for the schemas in them."""

import json
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"
HOSTS = ("claude", "codex", "cursor", "gemini", "copilot")
BEFORE = {
    "claude": "PreToolUse",
    "codex": "PreToolUse",
    "gemini": "BeforeTool",
    "cursor": "preToolUse",
    "copilot": None,
}


def payloads(host=None):
    """Every golden payload: (id, host, payload, what it must read as)."""
    found = []
    for path in sorted(FIXTURES.glob("*.json")):
        document = json.loads(path.read_text())
        if host in {None, document["host"]}:
            found += [
                (f"{path.stem}-{number}", document["host"], entry["event"], entry["reads"])
                for number, entry in enumerate(document["events"])
            ]
    return found


def before(host):
    """One plain event before a shell command, of the newest version."""
    return next(event for _, _, event, reads in payloads(host) if reads.get("canonical") == "shell")


def after(host):
    return next(event for _, _, event, reads in payloads(host) if reads["kind"] == "after")


def answers(host):
    return json.loads((FIXTURES / "answers" / f"{host}.json").read_text())


def deny_schema(host, name):
    schemas = answers(host)["deny"]
    return schemas.get(name) or schemas.get("*")


def problem(value, schema, path="answer"):
    """Why a value is not of a schema, or None. Knows what our schemas use, and refuses a schema that uses more."""
    assert not set(schema) - {"type", "required", "properties", "additionalProperties", "const", "enum", "minLength"}
    kinds = {"object": dict, "string": str}
    if "type" in schema and type(value) is not kinds[schema["type"]]:
        return f"{path} is no {schema['type']}"
    if "const" in schema and (value != schema["const"] or type(value) is not type(schema["const"])):
        return f"{path} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{path} is none of {schema['enum']}"
    if len(value) < schema.get("minLength", 0) if isinstance(value, str) else False:
        return f"{path} is too short"
    if schema.get("type") != "object":
        return None
    if missing := set(schema["required"]) - set(value):
        return f"{path} lacks {missing}"
    if not schema["additionalProperties"] and (more := set(value) - set(schema["properties"])):
        return f"{path} has {more}, which the host does not know"
    return next((found for key in value if (found := problem(value[key], schema["properties"][key], key))), None)


def denies(host, stdout, code):
    """Whether a host that got this runs no tool, by its own rules. What is no answer at all fails the test."""
    assert code in {0, 2}
    value = json.loads(stdout) if stdout.strip() else None
    assert value is None or type(value) is dict
    if code == 2:
        assert value is None  # never both: see codespar_cli/hosts/answer.py
        return True
    if value is None:
        return False
    nested = value.get("hookSpecificOutput", {})
    said = {
        value.get("permission"),
        value.get("decision"),
        value.get("permissionDecision"),
        value.get("behavior"),
        nested.get("permissionDecision"),
        nested.get("decision", {}).get("behavior"),
    }
    return bool(said & {"deny", "block"})
