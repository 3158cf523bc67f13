"""What the report templates call, and notebooks may: `wb.reviews.session()`, `.week()`, `.data()`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.storage.home import Home
from workbench.storage.home import home as home_at

if TYPE_CHECKING:
    import pandas as pd

    from workbench.services.report_day import Provenance, SessionDay
    from workbench.services.report_parts import Part
    from workbench.services.report_stored import StoredData
    from workbench.services.report_week import Week

Place = str | Path | Home | None


class Reviews:
    """Reviews of what was traded and stored; each reads a home, the one of ``WORKBENCH_HOME`` when none is given."""

    def session(self, session: str = "", date: str = "", *, compare: bool = True, home: Place = None) -> SessionDay:
        """Return one trading date of a session, the last of the latest one when left out."""
        from workbench.services.report_day import session_day

        return session_day(_home(home), session, date, compare=compare)

    def week(
        self, until: str = "", days: int = 7, strategy: str = "", *, compare: bool = True, home: Place = None
    ) -> Week:
        """Return what all strategies did in the calendar days up to `until`, the last traded date when left out."""
        from workbench.services.report_week import week

        return week(_home(home), until, days, strategy, compare=compare)

    def data(
        self, contract: str = "", timeframe: str = "", start: str = "", end: str = "", *, home: Place = None
    ) -> StoredData:
        """Return how complete and clean the stored bars are; all of them when nothing is named."""
        from workbench.services.report_stored import stored_data

        return stored_data(_home(home), contract, timeframe, start, end)

    def table(self, frame: pd.DataFrame, most: int = 200) -> Part:
        """Return a DataFrame as a report shows one: numbers on the right, times in Chicago."""
        from workbench.services.report_parts import frame_table

        return frame_table(frame, most=most)

    def numbers(self, values: Mapping[str, str]) -> Part:
        """Return names and values as one table of two columns."""
        from workbench.services.report_parts import Part, table

        rows = [[name.removesuffix("_usd").replace("_", " "), text] for name, text in values.items()]
        return Part(f"<div class='numbers'>{table(['~What', 'Value'], rows)}</div>")

    def provenance(self, **values: object) -> Provenance:
        """Return what a report was made from; shown by the last cell of a template."""
        from workbench.services.report_day import Provenance

        return Provenance(values)


def _home(place: Place) -> Home:
    return place if isinstance(place, Home) else home_at(place)


reviews = Reviews()
