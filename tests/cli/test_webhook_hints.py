"""What goes wrong in the webhook tools is told with what mends it, and with nothing that does not."""

import pytest
from webhook_inbox_kit import GITHUB, NOON, codespar, configure, github_headers, listening, numbered

from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox


@pytest.fixture(autouse=True)
def state(newcomer, monkeypatch):
    (newcomer / "body.json").write_bytes(GITHUB)
    (newcomer / "dd.json").write_text('{"id": "1", "title": "[Triggered] x", "event_type": "e", "date": "1"}')
    return configure(newcomer, monkeypatch)


def hint_of(err):
    found = [line.removeprefix("hint: ") for line in err.splitlines() if line.startswith("hint: ")]
    return found[0] if found else None


def send(capsysbinary, status, *arguments):
    with listening(status) as (url, _):
        code, _, err = codespar(capsysbinary, "webhook", "send", *arguments, "--to", url, "--allow-private")
    assert code == 1
    return hint_of(err)


def test_a_signature_that_was_refused_leads_to_the_doctor(newcomer, capsysbinary):
    (newcomer / "a b.json").write_bytes(GITHUB)
    hint = send(capsysbinary, 401, "a b.json")
    command = "codespar --config ITS_FILE webhook doctor 'a b.json' --provider github"
    assert f"{command} --header \"$(codespar webhook sign 'a b.json' --provider github)\"" in hint
    # It is what finds the cause: with another secret over there, the doctor names that.
    theirs = newcomer / "theirs.toml"
    theirs.write_text('[integrations]\nactive = ["github"]\n[integrations.github]\nsecret = "env:DATADOG_TOKEN"\n')
    header = codespar(capsysbinary, "webhook", "sign", "a b.json", "--provider", "github")[1].decode().strip()
    told = codespar(capsysbinary, "--config", theirs, "webhook", "doctor", "a b.json", "--header", header)
    assert (told[0], b"unknown_secret" in told[1]) == (5, True)


def test_a_token_that_was_refused_is_not_a_matter_of_bytes(capsysbinary):
    assert "another token" in send(capsysbinary, 401, "dd.json")


def test_other_answers_are_not_the_doctors(capsysbinary):
    assert send(capsysbinary, 404, "body.json") == "codespar serve takes it at /webhooks/github"
    assert send(capsysbinary, 503, "body.json") is None


def test_nothing_chosen_leads_to_the_list(newcomer, capsysbinary):
    for arguments in (("--status", "dead"), ("--last", "5", "--diff"), ("--provider", "linear")):
        code, _, err = codespar(capsysbinary, "webhook", "replay", *arguments)
        assert (code, hint_of(err)) == (6, "codespar webhook list --last 20")
        assert "no delivery of the inbox is like that" in err
    (newcomer / "an empty one").mkdir()
    code, _, err = codespar(capsysbinary, "webhook", "replay", "an empty one")
    assert (code, hint_of(err)) == (6, "ls 'an empty one'")


@pytest.mark.parametrize("more", [(), ("--allow-private",)])
@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://[fe80::1]", "http://168.63.129.16"])
def test_no_option_is_named_for_what_none_lets_pass(url, more, capsysbinary):
    for words in (("replay", "body.json"), ("send", "body.json", "--provider", "github")):
        code, _, err = codespar(capsysbinary, "webhook", *words, "--to", url, *more)
        assert (code, "a link-local address" in err) == (2, True)
        assert hint_of(err) == "nothing lets that pass; name another host: --to https://host.example/path"


def test_an_option_is_named_for_what_it_lets_pass(capsysbinary):
    for url in ("http://127.0.0.1:9", "http://10.0.0.1"):
        code, _, err = codespar(capsysbinary, "webhook", "replay", "body.json", "--to", url)
        assert (code, hint_of(err)) == (2, "--allow-private lets it be on this machine or a private network")


def test_who_signs_nothing_has_a_token_to_be_sent(capsysbinary):
    code, _, err = codespar(capsysbinary, "webhook", "sign", "dd.json")
    assert (code, "`datadog` does not sign its webhooks" in err) == (2, True)
    assert hint_of(err).endswith("codespar webhook send dd.json --provider datadog --to URL")


@pytest.mark.parametrize("words", [("sign",), ("doctor",), ("send", "--to", "https://192.0.2.1")])
def test_a_file_that_is_not_there_is_looked_for(words, newcomer, capsysbinary):
    for name, hint in (("nope.json", "ls ."), ("a b/nope.json", "ls 'a b'")):
        code, _, err = codespar(capsysbinary, "webhook", *words, name, "--provider", "github")
        assert (code, f"no such file: `{name}`" in err, hint_of(err)) == (6, True, hint)


def test_a_name_that_cannot_be_resolved_reads_as_a_sentence(monkeypatch, capsysbinary):
    def nobody(*_, **__):
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", nobody)
    _, _, err = codespar(capsysbinary, "webhook", "send", "body.json", "--to", "https://x.invalid")
    assert "`x.invalid` cannot be resolved: name or service not known" in err
    out = codespar(capsysbinary, "webhook", "replay", "body.json", "--to", "https://x.invalid", "-o", "json")[1]
    assert b"the target cannot be resolved: name or service not known" in out


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ('max_body = "1 furlong"\n', 'max_body = "25MiB"'),
        ("max_body = 5\n", 'max_body = "25MiB"'),
        (
            '[[routes]]\nname = "r"\nforward = "http://agent.example/hook"\n',
            'forward = "https://…", or run codespar where it listens: http is for this machine, with `allow_private`',
        ),
    ],
)
def test_a_value_of_plugins_toml_that_is_none_is_told_with_one_that_is(newcomer, table, hint, capsysbinary):
    (newcomer / "plugins.toml").write_text(f'[integrations]\nactive = ["github"]\n[integrations.github]\n{table}')
    code, _, err = codespar(capsysbinary, "webhook", "list")
    assert (code, hint_of(err)) == (2, hint)


def test_an_address_of_an_api_is_named_once(newcomer, capsysbinary):
    (newcomer / "plugins.toml").write_text(
        '[integrations]\nactive = ["github"]\n[integrations.github]\ntoken = "env:T"\napi = "http://api.example"\n'
    )
    code, _, err = codespar(capsysbinary, "webhook", "replay", "body.json")
    assert (code, "integrations.github.api: expected an https URL" in err) == (2, True)
    assert err.count("integrations.github") == 1


@pytest.mark.parametrize("command", ["list", "replay"])
def test_the_help_says_how_to_choose_a_tenant(command, capsysbinary):
    assert b"--tenant NAME" in codespar(capsysbinary, "webhook", command, "--help")[1]


def test_a_tenants_deliveries_are_replayed_alone(state, capsysbinary):
    store = SqliteInbox(state)
    store.accept(
        [
            Arrival(tenant, "github", f"d-{number}", numbered(number), github_headers(number, numbered(number)), now)
            for number, (tenant, now) in enumerate([("default", NOON), ("acme", NOON)])
        ]
    )
    store.close()
    out = codespar(capsysbinary, "webhook", "replay", "--last", "9", "--tenant", "acme")[1].decode()
    assert ("inbox:2" in out, "inbox:1" in out) == (True, False)
