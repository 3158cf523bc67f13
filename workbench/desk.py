"""The desk from a notebook: a synchronous client that holds no trading state of its own.

>>> import workbench as wb  # doctest: +SKIP
>>> desk = wb.connect()  # doctest: +SKIP
>>> desk.start("strategies/sma_cross.yaml", fast=10)  # doctest: +SKIP
>>> desk.emergency_stop(reason="news")  # doctest: +SKIP
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from workbench.desk_acts import Acts
from workbench.desk_acts import person as user
from workbench.desk_values import Session, Sessions, StopResult
from workbench.domain.errors import InputError, StopLatched, WorkbenchError
from workbench.storage.home import Home, home, read_json
from workbench.storage.latch import drop_stop_file
from workbench.widgets.cards import desk_card, living_first

if TYPE_CHECKING:
    import pandas as pd

READ_S = 15.0  # a pause or a start waits for the runner's answer
START_S = 60.0  # a new runner process and its first history
STOP_S = 45.0  # cancel, sweep, close, and two clean reads a second apart
PROBE_S = 1.0  # as long as a stop may wait for a sign of life (design: the desk has one second)
WITH_ANY_DESK = {"/api/stop", "/api/stop-token"}  # the red button asks nobody for his version
ORDER_COLUMNS = (
    "at contract side type qty filled limit_price stop_price status rule strategy account order_id tag".split()
)
FILL_COLUMNS = ["at", "contract", "qty", "price", "fees_usd", "gross_pnl_usd", "account", "order_id", "trade_id"]
POSITION_COLUMNS = ["account", "contract", "qty", "average_price", "last_price", "open_usd"]
ACCOUNT_COLUMNS = (
    "account name kind can_trade linked balance_usd equity_usd day_pnl_usd realized_usd open_usd fees_usd".split()
)


class DeskNotReachable(WorkbenchError):
    """No desk answers at `url`; what runs goes on running, we only cannot see it from here."""

    def __init__(self, url: str, why: str) -> None:
        self.url, self.why = url, why
        demo = home().path / "demo"
        there = (
            f" A demo has run in {demo}: to reach it from here, export WORKBENCH_HOME={demo}." if demo.is_dir() else ""
        )
        super().__init__(
            f"no desk answers at {url} ({why}); start one with `workbench demo` or `workbench desk`.{there} "
            "To stop all trading without a desk: `workbench stop`"
        )


class DeskRefused(WorkbenchError):
    """The desk answered no. `kind` is the name of its error, `status` the HTTP status."""

    def __init__(self, text: str, kind: str, status: int) -> None:
        self.kind, self.status = kind, status
        super().__init__(text)


def connect(url: str | None = None, token: str | None = None) -> Desk:
    """Return a client of the running desk.

    Parameters
    ----------
    url, token : str, optional
        Default: ``WORKBENCH_DESK_URL`` and ``WORKBENCH_API_TOKEN``, else what the desk wrote into its home.

    Raises
    ------
    DeskNotReachable
        No desk is running, or it does not answer.
    DeskRefused
        It answers, but not to this token.
    """
    desk = Desk(url or os.environ.get("WORKBENCH_DESK_URL"), token or os.environ.get("WORKBENCH_API_TOKEN"))
    desk.snapshot()
    return desk


class Desk(Acts):
    """A client of one desk; see `connect`.

    Parameters
    ----------
    url, token : str or None
        Where it is. Missing ones are read from ``desk/desk.json`` in `at`, and read again when the desk was restarted.
    at : Home, optional
        The home whose desk this is; also where the stop file is dropped when the desk is dead.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, at: Home | None = None) -> None:
        self._home = at or home()
        self._given = (url, token)
        # No proxy for loopback; and no kept connection, so that a stop never meets the stale socket of a dead desk.
        self._http = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self.url, self._token = "", ""
        self._checked = False  # whether the desk there was seen to be this program
        self._locate()

    def __repr__(self) -> str:
        return f"Desk({self.url})"

    def _repr_html_(self) -> str:
        try:
            return desk_card(self.snapshot(), self.url)
        except WorkbenchError as error:
            return desk_card(None, self.url, str(error))

    # --- what is -----------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the whole visible state as the desk sends it; missing values are None."""
        return dict(self._request("GET", "/api/state"))

    @property
    def sessions(self) -> Sessions:
        """All sessions: those that live first, then those that are over, the newest first."""
        return Sessions(Session.from_row(self, row) for row in living_first(self.snapshot().get("sessions", [])))

    def session(self, name: str) -> Session:
        """Return one session by its id.

        Raises
        ------
        UnknownName
            There is none of that name.
        """
        return self.sessions.named(name)

    @property
    def accounts(self) -> pd.DataFrame:
        """One row per account, USD."""
        return _frame(self.snapshot().get("accounts", []), ACCOUNT_COLUMNS)

    @property
    def positions(self) -> pd.DataFrame:
        """One row per open position; qty signed, prices in points."""
        rows = [
            {"account": a["account"], **p}
            for a in self.snapshot().get("accounts", [])
            for p in a["positions"]
            if p["qty"]
        ]
        return _frame(rows, POSITION_COLUMNS)

    @property
    def orders(self) -> pd.DataFrame:
        """Today's orders of all accounts; prices in points, times in Chicago."""
        return _frame(self._request("GET", "/api/orders"), ORDER_COLUMNS)

    @property
    def fills(self) -> pd.DataFrame:
        """Today's fills; qty signed (+ bought)."""
        return _frame(self._request("GET", "/api/fills"), FILL_COLUMNS)

    def bars(self, contract: str, timeframe: str = "1m", limit: int = 300) -> pd.DataFrame:
        """Return the newest bars, ascending, indexed by bar start (Chicago); the last one may still be forming."""
        import pandas as pd

        params = {"contract": contract, "timeframe": timeframe, "limit": limit}
        rows = self._request("GET", "/api/bars", params=params)
        frame = pd.DataFrame(rows, columns=["time", "open", "high", "low", "close", "volume"])
        frame.index = pd.to_datetime(frame.pop("time"), unit="s", utc=True).dt.tz_convert("America/Chicago")
        return frame

    # --- what shall be -----------------------------------------------------------------------------------------------

    def start(
        self,
        strategy: Any,
        *,
        account: int | None = None,
        contract: str | None = None,
        start_policy: str | None = None,
        disconnect_policy: str | None = None,
        disconnect_after_s: float | None = None,
        **parameters: Any,
    ) -> Session:
        """Start a session: a strategy file, name, version or loaded strategy, on a linked account.

        Parameters
        ----------
        strategy : str, Path or Strategy
            What trades.
        account : int, optional
            Needed only when more than one account is linked.
        contract : str, optional
            Default: the front month of the strategy's first root.
        start_policy : str, optional
            A position that is there already is taken over (``adopt``, the default), waited out without an entry
            (``wait_flat``), or closed first (``flatten``).
        disconnect_policy : str, optional
            When a stream stays away the session goes on once it is back (``keep``, the default), pauses (``pause``), or
            closes its position and pauses (``flatten``). Entries are blocked from the first moment in each case.
        disconnect_after_s : float, optional
            Seconds of open market after which that is done, 1 to 3600; default 60.
        **parameters
            Values of the strategy's declared parameters.
        """
        policies = {
            "start_policy": start_policy,
            "disconnect_policy": disconnect_policy,
            "disconnect_after_s": disconnect_after_s,
        }
        body = {
            "strategy": self._reference(strategy),
            "account": self._only_account() if account is None else account,
            "contract": contract,
            "parameters": parameters,
            **{name: value for name, value in policies.items() if value is not None},
        }
        return Session.from_row(self, self._request("POST", "/api/sessions", json=body, read_s=START_S))

    def command(self, session: str, verb: str) -> Session:
        """Give a session one of start, pause, resume, flatten, end; return it as it is afterwards."""
        row = self._request("POST", f"/api/sessions/{session}/{verb}", json={"person": user()})
        return Session.from_row(self, row)

    def emergency_stop(self, reason: str = "emergency stop", *, account: int | None = None) -> StopResult:
        """Latch, cancel everything, close everything, verify. Works with the desk dead: then a stop file is dropped.

        Never raises because of the desk: the result says what is known.
        """
        began = time.monotonic()
        body = {"reason": reason, "account": account, "person": user()}
        dropped: Path | None = None
        if not self._is_alive():
            dropped = drop_stop_file(self._home, reason)  # runners see it although the desk does not answer
        try:
            row = self._request("POST", "/api/stop", json=body, read_s=PROBE_S if dropped else STOP_S)
        except (DeskNotReachable, DeskRefused) as error:
            dropped = dropped or drop_stop_file(self._home, reason)
            return StopResult.by_file(dropped, str(error), ms=(time.monotonic() - began) * 1000)
        return StopResult.from_row(row)

    def clear_stop(self, reason: str, person: str | None = None, *, account: int | None = None) -> dict[str, Any]:
        """Clear the latch, with a reason and a name; entries are possible again afterwards."""
        body = {"reason": reason, "person": person or user(), "account": account}
        return dict(self._request("POST", "/api/stop/clear", json=body))

    def stop_token(self) -> str:
        """Return a short-lived token that stops all or flattens a session, no more; for pages in a browser."""
        return str(self._request("POST", "/api/stop-token")["token"])

    def allow_origin(self, origin: str) -> None:
        """Let pages of another server on this machine call the desk, such as a JupyterLab that you started yourself.

        Parameters
        ----------
        origin : str
            ``http://127.0.0.1:<port>`` or ``http://localhost:<port>``; nothing else is accepted.
        """
        self._request("POST", "/api/origins", json={"origin": origin})

    def controls(self) -> Any:
        """Return the control panel for a notebook: state, P&L, start, pause, flatten, and the emergency stop.

        Pages of the Jupyter server that runs this kernel may call the desk from then on: the panel's stop goes straight
        from the browser to it.
        """
        from workbench.widgets.controls import Controls
        from workbench.widgets.jupyter import origins_of_this_kernel

        with contextlib.suppress(WorkbenchError):  # the panel itself says when the desk is dead or out of reach
            for origin in origins_of_this_kernel():
                self.allow_origin(origin)
        return Controls(self)

    def dashboard(self, page: str = "live", *, height: int = 760) -> Any:
        """Return a page of the running dashboard inside the notebook, such as ``live`` or ``lab``; `height` in pixels.

        Its address opens the page once, within a minute; what stays in the notebook's output opens nothing.

        Raises
        ------
        DeskNotReachable
            No dashboard runs for this home.
        """
        from IPython.display import IFrame

        told = read_json(self._home.desk / "dashboard.json") or {}
        url, link = str(told.get("url", "")), str(told.get("link", ""))
        try:
            known = {"authorization": f"Bearer {link.partition('token=')[2]}"}
            answer = httpx.post(f"{url}/ticket", headers=known, timeout=READ_S, trust_env=False)
            ticket = answer.raise_for_status().json()["ticket"]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError) as error:
            why = f"no dashboard runs for it ({type(error).__name__}): start one with `workbench dashboard`"
            raise DeskNotReachable(str(self._home.desk), why) from None
        return IFrame(f"{url}/{page}", width="100%", height=height, ticket=ticket)

    def _reference(self, strategy: Any) -> str:
        # The desk opens no file for us: what a path holds, or a strategy made here, is stored there as a version first.
        if isinstance(strategy, str | Path) and not Path(strategy).is_file():
            return str(strategy)
        if isinstance(strategy, str | Path):
            from workbench.rules.load import load_strategy

            strategy = load_strategy(Path(strategy))
        source = getattr(strategy, "source", "")
        if not source:
            return str(strategy.version)
        stored = self._request("POST", "/api/strategies", json={"source": source, "person": user()})
        return str(stored["version"])

    # --- the wire ----------------------------------------------------------------------------------------------------

    def _locate(self) -> None:
        found = read_json(self._home.desk / "desk.json") or {}
        url, token = self._given
        if not (url or found.get("url")):
            raise DeskNotReachable(str(self._home.desk), "no desk.json there")
        self._checked = False
        self.url = str(url or found["url"]).rstrip("/")
        self._token = token or str(found.get("token", ""))

    def _is_alive(self) -> bool:
        try:
            return self._http.get(f"{self.url}/api/health", timeout=PROBE_S).status_code == 200
        except httpx.HTTPError:
            return self._moved() and self._is_alive()

    def _require_same_program(self) -> None:
        """Refuse to work with a desk of another version or schema; stopping works with every desk."""
        from workbench.services.schema import difference

        if self._checked:
            return
        theirs = _unpack(self._http.get(f"{self.url}/api/health", timeout=READ_S))
        if why := difference(theirs, f"the desk at {self.url}"):
            raise DeskRefused(f"{why}, or restart this one (the stop works all the same)", "OtherProgram", 0)
        self._checked = True

    def _moved(self) -> bool:
        """Read desk.json again; True when the desk has been restarted elsewhere or with another token."""
        before = (self.url, self._token)
        self._locate()
        return (self.url, self._token) != before

    def _request(self, method: str, path: str, *, read_s: float = READ_S, **options: Any) -> Any:
        timeout = httpx.Timeout(read_s, connect=2.0)
        headers = {"authorization": f"Bearer {self._token}"}
        try:
            if path not in WITH_ANY_DESK:
                self._require_same_program()
            response = self._http.request(method, self.url + path, headers=headers, timeout=timeout, **options)
        except httpx.ConnectError as error:  # never sent, so a second try cannot do a thing twice
            if self._moved():
                return self._request(method, path, read_s=read_s, **options)
            raise DeskNotReachable(self.url, "connection refused") from error
        except httpx.HTTPError as error:
            raise DeskNotReachable(self.url, f"{type(error).__name__} after {method} {path}") from error
        if response.status_code == 401 and self._moved():
            return self._request(method, path, read_s=read_s, **options)
        return _unpack(response)

    def _only_account(self) -> int:
        accounts = self.snapshot().get("accounts", [])
        linked = [a for a in accounts if a.get("linked")]
        if len(linked) != 1:
            names = ", ".join(f"{a['account']} ({a['name']})" for a in linked or accounts) or "none"
            what = "several accounts are linked: say account=…" if linked else "no account is linked yet"
            raise InputError(f"{what}; {names}" + ("" if linked else "; use `workbench account link`"))
        return int(linked[0]["account"])


def _unpack(response: httpx.Response) -> Any:
    try:
        body = response.json()
    except ValueError as error:
        raise DeskRefused(f"not a desk: {response.url} answered {response.status_code}", "Foreign", 0) from error
    if response.is_success:
        return body
    text, kind = str(body.get("error", response.text)), str(body.get("kind", "Error"))
    if response.status_code == 423:
        raise StopLatched(text)
    if response.status_code == 422:
        raise InputError(text)
    raise DeskRefused(text, kind, response.status_code)


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns)
    if "at" in columns:
        frame["at"] = pd.to_datetime(frame["at"], unit="ns", utc=True).dt.tz_convert("America/Chicago")
    return frame
