"""What one server process serves, and to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

#: Names by which a browser on this machine reaches a server on the loopback device.
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds that keep one client from taking the server away from the others."""

    body: int = 2**20  # bytes of a request
    journal: int = 16 * 2**20  # bytes of a batch of journal lines, also unpacked
    rate: float = 200.0  # requests a second of one client
    burst: int = 400  # requests at once
    refused: float = 10.0  # refused tokens a second of one address
    streams: int = 64  # open event streams
    client_streams: int = 6  # of one client


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a server process.

    url : the database
    root : the run folder that is followed, None for a team server
    token : the one token of a local server; None: tokens are those in the store
    ticket : opens the page once, in a browser that was started with it
    opens : the run that the ticket leads to, None for the list
    hosts : names that a request may give as its host, beside those of the loopback device
    port : the port that is served, None where requests may name any
    any_address : a request may give any IP address as its host, as on a machine in a network
    alerts : the file with the rules of alerts, None for the one in the run folder
    public : the address that links in alerts begin with
    static : the folder of the built page, None for the one in the package
    """

    url: str = field(repr=False)  # may hold a password
    root: Path | None = None
    mode: Literal["local", "server"] = "local"
    token: str | None = field(default=None, repr=False)
    ticket: str | None = field(default=None, repr=False)
    opens: str | None = None
    hosts: tuple[str, ...] = ()
    port: int | None = None
    any_address: bool = False
    alerts: Path | None = None
    public: str | None = None
    static: Path | None = None
    limits: Limits = Limits()
