"""Telling somebody: by webhook, by a program, by e-mail. Nothing secret stands in an error."""

from __future__ import annotations

import http.client
import os
import signal
import smtplib
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

from trema.api.alerts_news import News
from trema.api.alerts_rules import Command, Mail, Rule, Webhook
from trema.core.numbers import dumps
from trema.core.text import harmless
from trema.core.version import __version__

TIMEOUT = 30.0  # seconds
_SHOWN = 300  # characters of what a program said


class SendFailed(Exception):
    """Nobody was told. ``again``: it may work later; ``wait``: seconds the receiver asks for."""

    def __init__(self, message: str, *, again: bool, wait: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        self.wait = wait


def send(rule: Rule, news: News, timeout: float = TIMEOUT) -> None:
    """Tell it once.

    Raises
    ------
    SendFailed
        When it was not taken.
    """
    if isinstance(rule.by, Webhook):
        _post(rule.by, dumps(news.document(rule.name)).encode(), timeout)
    elif isinstance(rule.by, Command):
        _start(rule.by, news, rule.name, timeout)
    else:
        _mail(rule.by, news, timeout)


# webhook ----------------------------------------------------------------------------------


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect on the same host that keeps method and body, and no other."""

    max_redirections = 3

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url), urlsplit(urljoin(req.full_url, newurl))
        kept = new.scheme == old.scheme and new.netloc == old.netloc
        if code not in (307, 308) or not kept:
            raise SendFailed(
                f"webhook to {old.hostname} answered {code}, a redirect that is not followed: "
                "give the address it leads to",
                again=False,
            )
        return urllib.request.Request(
            new.geturl(), data=req.data, headers=dict(req.header_items()), method="POST"
        )


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()  # without the handlers of file: and ftp:
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _SameHost(),
    ):
        opener.add_handler(handler)
    return opener


def _post(hook: Webhook, body: bytes, timeout: float) -> None:
    headers = {
        "User-Agent": f"trema/{__version__}",
        **hook.headers,
        "Content-Type": "application/json; charset=utf-8",
    }
    request = urllib.request.Request(hook.url, data=body, headers=headers, method="POST")
    try:
        with _opener().open(request, timeout=timeout):
            return
    except urllib.error.HTTPError as error:
        with error:
            again = error.code in (408, 425, 429) or error.code >= 500
            raise SendFailed(
                f"webhook to {hook.host} answered {error.code}",
                again=again,
                wait=_seconds(error.headers.get("Retry-After")),
            ) from None
    except TimeoutError:
        message = f"webhook to {hook.host} did not answer within {timeout:g} s"
        raise SendFailed(message, again=True) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            reason = f"no answer within {timeout:g} s"
        else:
            reason = _reason(error.reason)
        again = not isinstance(error.reason, ssl.SSLCertVerificationError)
        message = f"webhook to {hook.host} cannot be reached ({reason})"
        raise SendFailed(message, again=again) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        message = f"webhook to {hook.host} failed ({type(error).__name__})"
        raise SendFailed(message, again=True) from None


def _seconds(value: str | None) -> float:
    return min(float(value), 60.0) if value and value.isascii() and value.isdigit() else 0.0


def _reason(error: Any) -> str:
    said = getattr(error, "strerror", None) or type(error).__name__
    return harmless(said, _SHOWN)


# command ----------------------------------------------------------------------------------


def _start(command: Command, news: News, rule: str, timeout: float) -> None:
    program = harmless(os.path.basename(command.argv[0]), 60)
    with tempfile.TemporaryFile() as said:  # a pipe would have to be read without bound
        try:
            process = subprocess.Popen(
                command.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env={**os.environ, **news.environment(rule)},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            message = f"{program} cannot be started ({_reason(error)})"
            raise SendFailed(message, again=False) from None
        try:
            process.communicate(dumps(news.document(rule)).encode(), timeout=timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            message = f"{program} did not end within {timeout:g} s and was killed"
            raise SendFailed(message, again=False) from None
        if process.returncode:
            said.seek(max(0, said.seek(0, os.SEEK_END) - _SHOWN))
            words = harmless(said.read().decode("utf-8", "replace"), _SHOWN)
            message = f"{program} ended with {process.returncode}{': ' if words else ''}{words}"
            raise SendFailed(message, again=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and what it started."""
    if os.name == "posix":
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    process.kill()
    process.wait()
    if process.stdin is not None:
        try:
            process.stdin.close()
        except OSError:
            pass


# mail -------------------------------------------------------------------------------------


def _mail(mail: Mail, news: News, timeout: float) -> None:
    message = EmailMessage()
    message["Subject"] = f"Trema: {news.title}"
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.to)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=mail.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # so that no holiday note answers
    message.set_content(news.text + "\n")
    secure = ssl.create_default_context()
    try:
        with _connect(mail, secure, timeout) as server:
            if mail.starttls:
                server.starttls(context=secure)
            if mail.user is not None and mail.password_env is not None:
                server.login(mail.user, os.environ.get(mail.password_env, ""))
            server.send_message(message)
    except smtplib.SMTPAuthenticationError:
        raise SendFailed(f"{mail.host} refused user and password", again=False) from None
    except smtplib.SMTPResponseException as error:
        message_ = f"{mail.host} answered {error.smtp_code}"
        raise SendFailed(message_, again=error.smtp_code < 500) from None
    except smtplib.SMTPRecipientsRefused:
        raise SendFailed(f"{mail.host} refused the recipients", again=False) from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        reason = f"e-mail through {mail.host} failed ({_reason(error)})"
        raise SendFailed(reason, again=not isinstance(error, ValueError)) from None


def _connect(mail: Mail, secure: ssl.SSLContext, timeout: float) -> smtplib.SMTP:
    if mail.port == 465:
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=timeout, context=secure)
    return smtplib.SMTP(mail.host, mail.port, timeout=timeout)
