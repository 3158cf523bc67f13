"""A file is stored as a whole or not at all, and every refusal says what to do."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.storage.market_frames import CONTRACT, MINUTE, bars, ticks
from workbench.domain.bar import bars_schema
from workbench.domain.errors import InputError, UnknownContract
from workbench.ingestion.importer import ImportOptions
from workbench.services.importing import ImportReport, import_file
from workbench.storage.bars import BarStore
from workbench.storage.ticks import TickStore


class Desk:
    """A home and a folder with one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store, self.ticks = BarStore(folder / "home"), TickStore(folder / "home")

    def load(
        self, frame: pl.DataFrame | Path, *, contract: str | None = None, accept: bool = False, **options: object
    ) -> ImportReport:
        path = frame if isinstance(frame, Path) else self.folder / "file.parquet"
        if isinstance(frame, pl.DataFrame):
            frame.write_parquet(path)
        return import_file(path, self.store, self.ticks, ImportOptions(**options), contract=contract, accept=accept)

    def refused(self, *arguments: object, **options: object) -> str:
        with pytest.raises(InputError) as error:
            self.load(*arguments, **options)
        assert not list((self.folder / "home").rglob("*.parquet")), "something was stored"
        return str(error.value)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_bars_are_stored_under_the_named_contract(desk: Desk):
    report = desk.load(bars(400), contract="MESM25")
    assert (report.kind, report.timeframe, report.zone) == ("bars", "1m", "UTC")
    assert report.written[CONTRACT].written == 400
    assert desk.store.read(CONTRACT, "1m").equals(bars(400))


def test_the_same_file_twice_changes_nothing(desk: Desk):
    desk.load(bars(400), contract="MESM25")
    again = desk.load(bars(400), contract="MESM25").written[CONTRACT]
    assert (again.written, again.unchanged, again.replaced) == (0, 400, 0)
    desk.load(ticks(500), contract="MESM25")
    assert desk.load(ticks(500), contract="MESM25").written[CONTRACT].written == 0
    assert desk.ticks.coverage()[0].rows == 500


def test_shuffled_rows_are_sorted_and_counted(desk: Desk):
    report = desk.load(bars(400).sample(fraction=1.0, shuffle=True, seed=1), contract="MESM25")
    assert report.written[CONTRACT].disordered > 100
    assert desk.store.read(CONTRACT, "1m").equals(bars(400))


def test_a_file_without_volume_is_refused(desk: Desk):
    text = desk.refused(bars(400).drop("volume"), contract="MESM25")
    assert "file.parquet has no column for volume" in text and "--column volume=NAME" in text


def test_a_row_with_nan_goes_to_quarantine_and_the_others_enter(desk: Desk):
    frame = bars(400).with_columns(
        open=pl.when(pl.int_range(400) == 7).then(pl.lit(float("nan"))).otherwise(pl.col("open"))
    )
    assert desk.load(frame, contract="MESM25").written[CONTRACT].reasons == {"not_finite": 1}
    assert desk.store.quarantine.read()["source"][0].startswith("file:file.parquet:")


def test_a_file_in_which_most_rows_fail_is_refused_as_a_whole(desk: Desk):
    text = desk.refused(bars(400).with_columns(open=pl.lit(float("nan"))), contract="MESM25")
    assert "400 of 400 rows of MESM25 fail (not_finite 400), so nothing was stored" in text


def test_prices_of_another_product_are_refused_by_their_ticks(desk: Desk):
    frame = bars(400).with_columns(pl.col("open", "high", "low", "close") + 0.1)
    assert "off_tick 400" in desk.refused(frame, contract="MESM25")


def test_a_file_that_does_not_say_whose_it_is_is_refused(desk: Desk):
    assert "say it with --contract" in desk.refused(bars(400))
    assert "say it with --contract" in desk.refused(bars(400).with_columns(symbol=pl.lit("MES")))


def test_an_unknown_contract_is_named_with_its_place(desk: Desk):
    with pytest.raises(UnknownContract, match=r"unknown .* 'FESXH06' \(file.parquet, column 'contract'\)"):
        desk.load(bars(400).with_columns(contract=pl.lit("FESXH06")))
    with pytest.raises(UnknownContract):
        desk.load(bars(400), contract="MESSM25")


def test_several_contracts_in_one_file_each_get_their_own(desk: Desk):
    frame = pl.concat([bars(300).with_columns(contract=pl.lit(name)) for name in ("MESM25", "MESU25")])
    report = desk.load(frame)
    assert {name: written.written for name, written in report.written.items()} == {
        "CON.F.US.MES.M25": 300,
        "CON.F.US.MES.U25": 300,
    }


def test_rows_of_another_contract_are_quarantined_when_one_is_asked_for(desk: Desk):
    other = bars(50, start=bars(301)["ts"].to_physical()[-1]).with_columns(contract=pl.lit("MESU25"))
    frame = pl.concat([bars(300).with_columns(contract=pl.lit("MESM25")), other])
    assert desk.load(frame, contract="MESM25").written[CONTRACT].reasons == {"wrong_contract": 50}
    with pytest.raises(InputError, match="has no row of MESH25; its column 'contract' names MESM25, MESU25"):
        desk.load(frame, contract="MESH25")


def test_one_bad_part_keeps_the_whole_file_out(desk: Desk):
    good = bars(300).with_columns(contract=pl.lit("MESM25"))
    bad = bars(300).with_columns(contract=pl.lit("MESU25"), open=pl.lit(float("nan")))
    assert "MESU25 fail" in desk.refused(pl.concat([good, bad]))


def test_a_file_of_another_length_of_bars_is_refused_until_accepted(desk: Desk):
    frame = bars(80, step=5 * MINUTE)
    assert "bars are 300 s apart, not 60 s as 1m bars are" in desk.refused(frame, contract="MESM25", timeframe="1m")
    report = desk.load(frame, contract="MESM25", timeframe="1m", accept=True)
    assert [finding.code for finding in report.findings] == ["timeframe"]


def test_a_csv_with_local_time_and_end_stamps(desk: Desk):
    frame = bars(400)
    local = (pl.col("ts") + pl.duration(minutes=1)).dt.convert_time_zone("America/Chicago")
    path = desk.folder / "export.csv"
    frame.with_columns(local.dt.strftime("%m/%d/%Y %H:%M")).rename(
        {"ts": "Date", "open": "Open", "high": "High", "low": "Low", "close": "Last", "volume": "Volume"}
    ).write_csv(path)
    report = desk.load(path, contract="MESM5", zone="America/Chicago", stamp="end")
    assert report.columns["close"] == "Last"
    assert desk.store.read(CONTRACT, "1m").equals(frame)


def test_a_wrong_zone_is_refused_on_the_recording(desk: Desk, shared_data: Path):
    recorded = pl.read_parquet(shared_data / "bars/MES_5m_projectx_2025.parquet")
    mislabelled = recorded.with_columns(
        pl.col("ts").dt.convert_time_zone("America/Chicago").dt.replace_time_zone("UTC")
    )
    text = desk.refused(mislabelled)
    assert "the time zone is probably not UTC; it fits America/Chicago" in text and "Nothing was stored" in text
    desk.load(mislabelled, zone="America/Chicago", relabel=True)
    expected = recorded.select(list(bars_schema())).cast({"volume": pl.Int64})
    assert desk.store.read(CONTRACT, "5m").equals(expected)


def test_the_files_at_hand_are_understood_without_a_word(desk: Desk, shared_data: Path):
    for name in ("ES_1m_lean_201310", "ES_1h_lean", "GC_1h_lean"):
        report = desk.load(shared_data / f"bars/{name}.parquet")
        assert report.findings == []
        assert sum(written.quarantined for written in report.written.values()) == 0, name
    report = desk.load(shared_data / "bars/ES_1d_lean.parquet")  # stamped with the trading date; two Sundays among them
    assert all(set(written.reasons) <= {"misaligned"} for written in report.written.values())
