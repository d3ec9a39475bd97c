"""Mail, through apprise, to a real mail server."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage

import pytest

from services.ports import free_port
from services.sinks import MailSink
from sidecar.notify.given import channel, notification, send
from tollkeeper.sidecar.notify.contract import Delivery


def url(mail: MailSink, password: str = "right", to: str = "finance@example.com") -> str:
    return f"mailto://me:{password}@127.0.0.1:{mail.port}?mode=insecure&from=tollkeeper@example.com&to={to}"


def text_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_it_arrives(mail: MailSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL", url(mail))
    assert send(channel(url="env:MAIL")) == Delivery("sent", "taken by the service")
    (message,) = mail.messages
    assert message["Subject"] == "Warning: example at 85 % for tenant acme"
    assert message["To"] == "finance@example.com"
    assert "tollkeeper@example.com" in message["From"]
    said = text_of(message, "plain")
    for part in ("Limit example ($10 / day per tenant)", "$8.50 of $10.00", "1.7 times", "$17.00", "gpt-4o: $6.12"):
        assert part in said


def test_names_are_shown_and_do_nothing(mail: MailSink) -> None:
    name = "<script>alert(1)</script> <img src=x> {{ 7*7 }} Ünïcödé 東京 עברית 🙂\r\nBcc: thief@example.com"
    for format in ("text", "html"):
        send(channel(url=f"{url(mail)}&format={format}"), notification(scope={"tenant": name}))
    assert [envelope.rcpt_tos for envelope in mail.envelopes] == [["finance@example.com"]] * 2
    for message in mail.messages:
        assert message["Bcc"] is None
        assert "{{ 7*7 }} Ünïcödé 東京 עברית 🙂 Bcc: thief@example.com" in message["Subject"]
    html = text_of(mail.messages[1], "html")
    assert "<script>" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html
    assert "Ünïcödé 東京 עברית 🙂" in text_of(mail.messages[0], "plain")


@pytest.mark.parametrize(
    ("answer", "outcome"), [("550 5.1.1 no such user", "refused"), ("450 4.2.1 mailbox is busy", "failed")]
)
def test_what_a_mail_server_means(mail: MailSink, answer: str, outcome: str) -> None:
    mail.refused["finance@example.com"] = answer
    assert send(channel(url=url(mail))) == Delivery(outcome, f"the mail server answered {answer[:3]}")  # type: ignore[arg-type]


def test_a_wrong_password_is_refused_and_told_nowhere(mail: MailSink, logged: list[str]) -> None:
    told = send(channel(url=url(mail, "very-secret")))
    assert told == Delivery("refused", "the mail server answered 535")
    assert not mail.envelopes
    assert "very-secret" not in "".join(logged)


def test_no_mail_server_may_be_one_later(mail: MailSink) -> None:
    mail.port = free_port()
    assert send(channel(url=url(mail))) == Delivery("failed", "could not be reached, or gave no answer in time")


def test_a_mail_server_that_says_nothing_keeps_nobody_waiting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        told = send(channel(url=f"mailto://127.0.0.1:{port}?mode=insecure&from=a@b.example&to=c@d.example&cto=0.2"))
    assert told == Delivery("failed", "could not be reached, or gave no answer in time")


def test_many_are_told_at_the_same_time(mail: MailSink) -> None:
    to = channel(url=url(mail))
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda name: send(to, notification(subject=name)), [f"limit {n}" for n in range(12)]))
    assert {each.outcome for each in told} == {"sent"}
    titles = {str(message["Subject"]) for message in mail.messages}
    assert titles == {f"Warning: limit {n} at 85 % for tenant acme" for n in range(12)}
