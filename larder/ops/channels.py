"""Where alerts go: the terminal always; a file, a webhook and mail where the environment names them.

`LARDER_ALERTS_FILE`: a file that gets one JSON line a message. `LARDER_ALERTS_WEBHOOK`: an address that takes Slack's JSON.
`LARDER_ALERTS_SMTP`: `smtp://user:password@host:port/?from=A&to=B`, `smtps://` for TLS from the start; `smtp://` uses TLS
where the server offers it.
"""

import json
import os
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import requests

from larder.core import console

SMTP_ADDRESS = "smtp(s)://user:password@host:port/?from=A&to=B"

PATIENCE = 10
"""Seconds for a receiver to answer."""


class Refused(Exception):
    """A channel does not take a message; says why without its address."""


@dataclass(frozen=True)
class Message:
    """One thing to tell: `state` is open or resolved, `level` error or warning."""

    state: str
    level: str
    key: str
    since: str
    text: str

    @property
    def title(self) -> str:
        return f"[{'resolved' if self.state == 'resolved' else self.level}] {self.text.splitlines()[0]}"


Channel = Callable[[Message], None]


def configured() -> dict[str, Channel]:
    """The channels by name. One that cannot be reached raises OSError or smtplib.SMTPException, one that does not take a message Refused."""
    named: dict[str, Callable[[str, Message], None]] = {"FILE": _file, "WEBHOOK": _webhook, "SMTP": _mail}
    found: dict[str, Channel] = {"terminal": _terminal}
    for name, send in named.items():
        if address := os.environ.get(f"LARDER_ALERTS_{name}"):
            found[name.lower()] = partial(send, address)
    return found


def _terminal(message: Message) -> None:
    if message.state == "resolved":
        console.done(f"resolved: {message.text.splitlines()[0]}")
    else:
        console.note(f"{message.text}\n  since {message.since}")


def _file(address: str, message: Message) -> None:
    with Path(address).open("a") as file:
        file.write(json.dumps(asdict(message)) + "\n")


def _webhook(address: str, message: Message) -> None:
    text = f"{message.title}\n{message.text.partition(chr(10))[2]}\nsince {message.since}"
    for char, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):  # as Slack wants it
        text = text.replace(char, code)
    try:
        with requests.post(
            address, json={"text": text}, timeout=PATIENCE, allow_redirects=False, stream=True
        ) as answer:  # its status is enough: a text that never ends would hold the check
            status = answer.status_code
    except ValueError as error:  # requests' own errors of addresses
        raise Refused("LARDER_ALERTS_WEBHOOK is no address that begins with https:// or http://") from error
    if status >= 300:
        raise Refused(f"the webhook answers {status}")


def _mail(address: str, message: Message) -> None:
    try:
        server = urlsplit(address)
        said, port = parse_qs(server.query), server.port or 0
        sender, receivers = said["from"][0], ", ".join(said["to"])
        tls = {"smtp": False, "smtps": True}[server.scheme]
        host = (server.hostname or "localhost").encode("idna").decode()
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = message.title, sender, receivers
    except (ValueError, KeyError) as error:
        raise Refused(f"LARDER_ALERTS_SMTP is not {SMTP_ADDRESS}") from error
    mail.set_content(f"{message.text}\nsince {message.since}\n")
    context = ssl.create_default_context()
    with (
        smtplib.SMTP_SSL(host, port, timeout=PATIENCE, context=context)
        if tls
        else smtplib.SMTP(host, port, timeout=PATIENCE)
    ) as smtp:
        smtp.ehlo()
        if not tls and smtp.has_extn("starttls"):
            smtp.starttls(context=context)
        if server.username:
            smtp.login(unquote(server.username), unquote(server.password or ""))
        smtp.send_message(mail)
