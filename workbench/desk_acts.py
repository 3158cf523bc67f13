"""What the desk's client does by hand beside sessions: orders, positions, history, limits, the monitor."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from workbench.desk_values import OrderAnswer

if TYPE_CHECKING:
    import pandas as pd

HISTORY = ("orders", "fills", "sessions", "days")


class Acts:
    """Orders, positions, history and limits of a `workbench.desk.Desk`.

    Every act carries a key. Given again with the same values it is the same act, so what was not answered may be asked
    again: ``desk.close(1001, "MES", request="my-close-1")``.
    """

    def _request(self, method: str, path: str, *, read_s: float = 15.0, **options: Any) -> Any:
        raise NotImplementedError

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Ask the desk's REST API for anything else; `options` are those of an httpx request."""
        return self._request(method, path, **options)

    def _act(self, path: str, request: str | None, **body: Any) -> OrderAnswer:
        given = {name: value for name, value in body.items() if value is not None}
        key = request or secrets.token_hex(8)
        answer = self._request("POST", path, json={"request": key, "person": person(), **given}, read_s=30.0)
        return OrderAnswer(answer)

    def order(self, request: str | None = None, **fields: Any) -> dict[str, Any]:
        """Place one order by hand, through the account's own gate.

        Parameters
        ----------
        request : str, optional
            Key of this wish: the same one twice is one order.
        **fields
            account, contract, side (BUY or SELL), qty, type (MARKET, LIMIT or STOP), limit_price, stop_price.

        Returns
        -------
        dict
            ``accepted``, and the ``order`` or the ``reason``.
        """
        return self._act("/api/orders", request, **fields)

    def modify(
        self,
        account: int,
        order_id: int,
        *,
        qty: int | None = None,
        limit_price: float | None = None,
        stop_price: float | None = None,
        request: str | None = None,
    ) -> dict[str, Any]:
        """Change a working order; what is left out stays as it is. Prices in points."""
        path = f"/api/orders/{order_id}/modify"
        return self._act(path, request, account=account, qty=qty, limit_price=limit_price, stop_price=stop_price)

    def cancel(self, account: int, order_id: int, *, request: str | None = None) -> dict[str, Any]:
        """Cancel a working order."""
        return self._act(f"/api/orders/{order_id}/cancel", request, account=account)

    def close(
        self,
        account: int,
        contract: str,
        *,
        qty: int | None = None,
        seen_qty: int | None = None,
        request: str | None = None,
    ) -> dict[str, Any]:
        """Close a position at the market, or `qty` contracts of it; more than is open is refused.

        With `seen_qty` a part is closed only while the position is still on that side.
        """
        if qty is None:
            return self._act(f"/api/positions/{account}/{contract}/close", request)
        return self._act(f"/api/positions/{account}/{contract}/part-close", request, qty=qty, seen_qty=seen_qty)

    def reverse(
        self, account: int, contract: str, *, seen_qty: int | None = None, request: str | None = None
    ) -> dict[str, Any]:
        """Close a position and open the same size on the other side, through the gate.

        With `seen_qty` (+ long, − short) only while the position is still that.
        """
        return self._act(f"/api/positions/{account}/{contract}/reverse", request, seen_qty=seen_qty)

    def release(
        self, account: int, *, reason: str, by: str | None = None, request: str | None = None
    ) -> dict[str, Any]:
        """Release what halts an account until a person has looked: a clock jump, or an unknown product that is gone.

        Stops, limits and every other halt stay; the broker is read first, and everything must agree with it.

        Returns
        -------
        dict
            ``accepted`` or the ``reason`` why not, what was ``released``, and what still holds (``halted``).
        """
        key = request or secrets.token_hex(8)
        body = {"request": key, "person": by or person(), "reason": reason}
        return dict(self._request("POST", f"/api/accounts/{account}/release", json=body, read_s=30.0))

    def stop_session(self, session: str, reason: str = "emergency stop of a session") -> dict[str, Any]:
        """Stop one session now; its account is stopped whole when the runner does not confirm within 2 s."""
        body = {"reason": reason, "person": person()}
        return dict(self._request("POST", f"/api/sessions/{session}/emergency-stop", json=body, read_s=60.0))

    def history(self, what: str, account: int, *, limit: int = 100, before: str | int | None = None) -> pd.DataFrame:
        """Return past orders, fills, sessions or days of an account, the newest first.

        Parameters
        ----------
        what : str
            ``orders``, ``fills``, ``sessions`` or ``days``.
        account : int
        limit : int
        before : str or int, optional
            ``attrs["before"]`` of the page before; None there means that it was the last.
        """
        import pandas as pd

        params = {"account": account, "limit": limit, **({} if before is None else {"before": str(before)})}
        rows = self._request("GET", f"/api/history/{what}", params=params)
        frame = pd.DataFrame(rows)
        cursor = {"fills": "trade_id", "days": "trading_date"}.get(what, "number")
        frame.attrs["before"] = str(rows[-1][cursor]) if len(rows) == limit else None
        return frame

    def limits(self) -> dict[str, Any]:
        """Return the limits of every level, where each comes from, and the changes, the newest first."""
        return dict(self._request("GET", "/api/limits"))

    def tighten(self, reason: str, *, level: str = "global", name: str = "", **values: Any) -> dict[str, Any]:
        """Make limits tighter, also while sessions run: ``desk.tighten("news day", max_position=1)``."""
        return self._change("tighten", reason, level, name, values)

    def set_limits(self, reason: str, *, level: str = "global", name: str = "", **values: Any) -> dict[str, Any]:
        """Set limits; looser ones only while no session runs."""
        return self._change("set", reason, level, name, values)

    def _change(self, verb: str, reason: str, level: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
        body = {"level": level, "name": str(name), "values": values, "reason": reason, "person": person()}
        return dict(self._request("POST", f"/api/limits/{verb}", json=body))

    @property
    def monitor(self) -> dict[str, Any]:
        """Exposure, equity, drawdown and headroom across accounts and sessions."""
        return dict(self._request("GET", "/api/monitor"))

    @property
    def audit(self) -> pd.DataFrame:
        """Who did what, when and from where; the newest first."""
        import pandas as pd

        frame = pd.DataFrame(self._request("GET", "/api/audit"), columns=["at", "who", "what", "source", "details"])
        frame["at"] = pd.to_datetime(frame["at"], unit="ns", utc=True).dt.tz_convert("America/Chicago")
        return frame


def person() -> str:
    """Return the name under which acts are recorded: the user of this machine."""
    import getpass

    try:
        return getpass.getuser()
    except OSError:  # no such user in a container
        return "notebook"
