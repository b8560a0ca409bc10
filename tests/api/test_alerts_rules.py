"""Rules of alerts in TOML: what is read, and what is refused in one sentence."""

from pathlib import Path

import pytest

from trema.api.alerts import find_rules, load_rules
from trema.api.alerts_rules import Command, Mail, Webhook
from trema.core.errors import UsageError

GOOD = """
[[alert]]
name = "team"
on = ["finding", "crashed", "finished"]
level = "warning"
[alert.webhook]
url = "https://example.com/${TREMA_TEST_PATH}"
headers = { X-Key = "${TREMA_TEST_KEY}" }

[[alert]]
name = "desk"
command = ["notify-send", "Trema"]

[[alert]]
name = "post"
on = ["finished"]
mail = { to = "a@example.com", from = "b@example.com", host = "mail.example.com", starttls = true, \
user = "b", password_env = "TREMA_TEST_KEY" }
"""


def rules_in(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "alerts.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_rules_of_all_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREMA_TEST_PATH", "secret-path")
    monkeypatch.setenv("TREMA_TEST_KEY", "secret-key")
    hook, command, mail = load_rules(rules_in(tmp_path, GOOD))
    assert (hook.name, hook.on, hook.level) == (
        "team",
        ("finding", "crashed", "finished"),
        "warning",
    )
    assert isinstance(hook.by, Webhook)
    assert hook.by.url == "https://example.com/secret-path"
    assert hook.by.headers == {"X-Key": "secret-key"}
    assert "secret" not in repr(hook)
    assert command.by == Command(argv=("notify-send", "Trema"))
    assert (command.on, command.level, command.way) == (("finding", "crashed"), "error", "command")
    assert isinstance(mail.by, Mail)
    assert (mail.by.to, mail.by.port, mail.way) == (("a@example.com",), 587, "mail")
    assert "secret" not in repr(mail)
    assert [hook.wants(s) for s in ("critical", "error", "warning", "info", "odd")] == [
        True,
        True,
        True,
        False,
        False,
    ]


HOOK = '[[alert]]\nname = "a"\nwebhook = { url = "https://example.com/x" }\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[alert]\n", "not valid TOML"),
        ("x = " + "[" * 100_000, "not valid TOML"),
        ("[[alarm]]\n", "unknown key 'alarm'"),
        ("alert = 3\n", r"\[\[alert\]\]"),
        ("[[alert]]\n", "but got none"),
        (HOOK + 'command = ["x"]\n', "webhook and command"),
        (HOOK + HOOK, "two alerts have the name 'a'"),
        (HOOK + 'levle = "error"\n', "did you mean 'level'"),
        (HOOK + 'level = "eror"\n', "did you mean 'error'"),
        (HOOK + 'on = ["crash"]\n', "did you mean 'crashed'"),
        (HOOK + "on = []\n", "on to be a list"),
        ('[[alert]]\nwebhook = "https://example.com"\n', "expected a table"),
        ('[[alert]]\nwebhook = { url = "file:///etc/passwd" }\n', "http"),
        ('[[alert]]\nwebhook = { url = "https:///x" }\n', "http"),
        ('[[alert]]\nwebhook = { url = "http://h:99999/" }\n', "http"),
        ('[[alert]]\nwebhook = { url = "http://h/a b" }\n', "http"),
        ('[[alert]]\nwebhook = { url = "http://u:p@h/" }\n', "Authorization"),
        ('[[alert]]\nwebhook = { url = "http://h/", headers = { A = "b\\nc" } }\n', "one line"),
        ('[[alert]]\nwebhook = { url = "http://h/", headers = { "A b" = "c" } }\n', "plain ASCII"),
        ('[[alert]]\nwebhook = { url = "http://h/", headers = { Host = "c" } }\n', "set by Trema"),
        ('[[alert]]\nwebhook = { url = "http://h/${TREMA_UNSET}" }\n', "TREMA_UNSET is not set"),
        ('[[alert]]\ncommand = "rm -rf x"\n', "a program and its arguments"),
        ("[[alert]]\ncommand = []\n", "a program and its arguments"),
        ('[[alert]]\nmail = { to = "x", from = "a@b", host = "h" }\n', "no e-mail address"),
        ('[[alert]]\nmail = { to = "a@b\\nBcc: c@d", from = "a@b", host = "h" }\n', "no e-mail"),
        ('[[alert]]\nmail = { to = "a@b", from = "a@b", host = "h", port = 0 }\n', "65535"),
        ('[[alert]]\nmail = { to = "a@b", from = "a@b", host = "h", user = "u" }\n', "belong"),
        (
            '[[alert]]\nmail = { to = "a@b", from = "a@b", host = "h", user = "u", '
            'password_env = "PATH" }\n',
            "only encrypted",
        ),
        (HOOK.replace('"a"', '"a"\nlevel = 3'), "level to be a text"),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        load_rules(rules_in(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_no_file_is_no_rule_but_a_named_one_must_be_there(tmp_path: Path) -> None:
    assert find_rules(tmp_path) == []
    assert find_rules(None) == []
    with pytest.raises(UsageError, match="cannot be read"):
        find_rules(tmp_path, tmp_path / "alerts.toml")


def test_a_file_found_in_the_folder_starts_no_program_and_reads_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREMA_TEST_KEY", "k")
    rules_in(tmp_path, '[[alert]]\ncommand = ["touch", "x"]\n')
    with pytest.raises(UsageError, match="--alerts"):
        find_rules(tmp_path)
    assert len(find_rules(tmp_path, tmp_path / "alerts.toml")) == 1
    for words in (
        'url = "https://h/${TREMA_TEST_KEY}"',
        'url = "https://h", headers = {A="${PATH}"}',
    ):
        rules_in(tmp_path, f"[[alert]]\nwebhook = {{ {words} }}\n")
        with pytest.raises(UsageError, match="--alerts"):
            find_rules(tmp_path)
    rules_in(tmp_path, HOOK)
    assert [rule.name for rule in find_rules(tmp_path)] == ["a"]
