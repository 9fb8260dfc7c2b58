"""Our mailbox: one message over SMTP, within a fixed time, in words of yes, later and never."""

import hashlib
import logging
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from support_service.notifications.way import ChannelDown, ChannelRefused, File

log = logging.getLogger(__name__)

# For each answer of the server; a drip of bytes never breaks this one, so all of it has a bound of its own.
ANSWER_SECONDS_MAX = 15.0
TOTAL_SECONDS_MAX = 60.0
SUBJECT_CHARS_MAX = 200
GREETING = 220
ADDRESS_CHARS_MAX = 254
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII)


def is_address(text: str) -> bool:
    """Tell whether a text is one e-mail address, of the kind that every server takes."""
    return len(text) <= ADDRESS_CHARS_MAX and _ADDRESS.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where mail goes out. security: "tls" from the first byte, "starttls" before anything is said, or "none"."""

    host: str
    port: int
    security: str
    sender: str
    name: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    total_seconds: float = TOTAL_SECONDS_MAX

    def send(
        self,
        to: Sequence[str],
        *,
        key: str,
        subject: str,
        text: str,
        html: str = "",
        at: datetime,
        reply_to: str = "",
        files: Sequence[File] = (),
    ) -> None:
        """Send one message to all of these; raises ChannelDown and ChannelRefused.

        It has the same Message-ID on every try: most mailboxes show what comes twice once.
        """
        written = self._written(to, key=key, subject=subject, text=text, html=html, at=at)
        if reply_to:
            written["Reply-To"] = reply_to
        for file in files:
            main, _, sub = file.kind.partition("/")
            written.add_attachment(file.body, maintype=main, subtype=sub, filename=file.name)
        with _told(f"{self.host}:{self.port}"), self._open() as server:
            refused = server.send_message(written, self.sender, list(to))
        if refused:
            # The others have it: to say it again would say it twice to them.
            log.warning("mail_partly_refused", extra={"refused": len(refused), "of": len(to)})

    def greet(self) -> None:
        """Ask whether it lets us in, and send nothing; raises ChannelDown."""
        with _told(f"{self.host}:{self.port}"), self._open() as server:
            server.noop()

    @contextmanager
    def _open(self) -> Iterator[smtplib.SMTP]:
        # To read all that this machine trusts takes longer than to send a letter.
        context = ssl.create_default_context() if self.security != "none" else None
        name, seconds = self.sender.rpartition("@")[2], min(ANSWER_SECONDS_MAX, self.total_seconds)
        server: smtplib.SMTP = (
            smtplib.SMTP_SSL(local_hostname=name, timeout=seconds, context=context)
            if self.security == "tls"
            else smtplib.SMTP(local_hostname=name, timeout=seconds)
        )
        # It is connected only under the bound, and so not by the constructor, which alone tells the name to TLS.
        vars(server)["_host"] = self.host
        end = threading.Timer(self.total_seconds, _cut, [server])
        end.daemon = True
        end.start()
        try:
            code, _ = server.connect(self.host, self.port)
            if code != GREETING:
                raise ChannelDown(f"{self.host}:{self.port}: the server answers {code}")
            if self.security == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
            yield server
            # It has said yes: how it parts is its own affair.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            end.cancel()
            server.close()

    def _written(
        self, to: Sequence[str], *, key: str, subject: str, text: str, html: str, at: datetime
    ) -> EmailMessage:
        written = EmailMessage(policy=SMTP)
        written["Subject"] = " ".join(subject.split())[:SUBJECT_CHARS_MAX]
        written["From"] = formataddr((" ".join(self.name.split()), self.sender))
        written["To"] = ", ".join(to)
        written["Date"] = format_datetime(at)
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        written["Message-ID"] = f"<{digest}@{self.sender.rpartition('@')[2]}>"
        written["Auto-Submitted"] = "auto-generated"
        # Some servers still take no other than seven bits.
        written.set_content(text or subject, cte="quoted-printable")
        if html:
            written.add_alternative(html, subtype="html", cte="quoted-printable")
        return written


def _cut(server: smtplib.SMTP) -> None:
    """End a conversation that takes too long, from outside."""
    held = server.sock
    if held is not None:
        with suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Say in our words what went wrong; nothing of what the server said, which may quote an address."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        if all(code >= 500 for code in codes):
            raise ChannelRefused(f"{place}: the address is refused ({codes[0]})") from None
        raise ChannelDown(f"{place}: the address is not taken now ({codes[0]})", is_whole=False) from None
    except smtplib.SMTPDataError as error:
        if error.smtp_code >= 500:
            raise ChannelRefused(f"{place}: the message is refused ({error.smtp_code})") from None
        raise ChannelDown(f"{place}: the message is not taken now ({error.smtp_code})", is_whole=False) from None
    except smtplib.SMTPAuthenticationError as error:
        raise ChannelDown(f"{place}: user or password is refused ({error.smtp_code})") from None
    except smtplib.SMTPResponseException as error:
        raise ChannelDown(f"{place}: the server answers {error.smtp_code}") from None
    except ssl.SSLError as error:
        raise ChannelDown(f"{place}: no trusted TLS ({error.reason or type(error).__name__})") from None
    except TimeoutError:
        raise ChannelDown(f"{place}: no answer in time") from None
    except (smtplib.SMTPException, OSError) as error:
        raise ChannelDown(f"{place}: cannot be reached ({type(error).__name__})") from None
