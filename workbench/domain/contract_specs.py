"""The table of contract specifications: one row per product the gateway lists.

Roots, tick sizes and tick values come from the gateway's own contract list where it gives them, the rest from the
CME Group rule books. Prices are decimal points as the gateway sends them (bonds in decimals, not 32nds; grains and
livestock in cents).

``months``: listed months that serve as front. ``rule``: name of the expiry rule in `workbench.domain.expiry`.
Listed months that are never the front (gold in October) are left out; such a contract can still be named and parsed.
"""

from __future__ import annotations

from typing import NamedTuple

QUARTERLY = "HMUZ"
MONTHLY = "FGHJKMNQUVXZ"


class Row(NamedTuple):
    """One line of the table; numbers are text, so that they stay exact."""

    root: str
    exchange_root: str
    description: str
    tick: str
    tick_value: str
    months: str
    group: str
    rule: str
    micro_of: str | None = None


# fmt: off
ROWS: tuple[Row, ...] = (
    # index
    Row("EP", "ES", "E-mini S&P 500", "1/4", "12.50", QUARTERLY, "index", "index"),
    Row("MES", "MES", "Micro E-mini S&P 500", "1/4", "1.25", QUARTERLY, "index", "index", "ES"),
    Row("ENQ", "NQ", "E-mini NASDAQ-100", "1/4", "5.00", QUARTERLY, "index", "index"),
    Row("MNQ", "MNQ", "Micro E-mini NASDAQ-100", "1/4", "0.50", QUARTERLY, "index", "index", "NQ"),
    Row("RTY", "RTY", "E-mini Russell 2000", "1/10", "5.00", QUARTERLY, "index", "index"),
    Row("M2K", "M2K", "Micro E-mini Russell 2000", "1/10", "0.50", QUARTERLY, "index", "index", "RTY"),
    Row("YM", "YM", "E-mini Dow ($5)", "1", "5.00", QUARTERLY, "index", "index"),
    Row("MYM", "MYM", "Micro E-mini Dow ($0.50)", "1", "0.50", QUARTERLY, "index", "index", "YM"),
    Row("EMD", "EMD", "E-mini S&P MidCap 400", "1/10", "10.00", QUARTERLY, "index", "index"),
    Row("NKD", "NKD", "Nikkei 225 (USD)", "5", "25.00", QUARTERLY, "index", "nikkei"),
    # currencies
    Row("DA6", "6A", "Australian Dollar", "1/20000", "5.00", QUARTERLY, "fx", "fx"),
    Row("BP6", "6B", "British Pound", "1/10000", "6.25", QUARTERLY, "fx", "fx"),
    Row("CA6", "6C", "Canadian Dollar", "1/20000", "5.00", QUARTERLY, "fx", "fx_canada"),
    Row("EU6", "6E", "Euro FX", "1/20000", "6.25", QUARTERLY, "fx", "fx"),
    Row("JY6", "6J", "Japanese Yen", "1/2000000", "6.25", QUARTERLY, "fx", "fx"),
    Row("MX6", "6M", "Mexican Peso", "1/100000", "5.00", QUARTERLY, "fx", "fx"),
    Row("NE6", "6N", "New Zealand Dollar", "1/20000", "5.00", QUARTERLY, "fx", "fx"),
    Row("SF6", "6S", "Swiss Franc", "1/20000", "6.25", QUARTERLY, "fx", "fx"),
    Row("EEU", "E7", "E-mini Euro FX", "1/10000", "6.25", QUARTERLY, "fx", "fx"),
    Row("M6A", "M6A", "Micro AUD/USD", "1/10000", "1.00", QUARTERLY, "fx", "fx", "6A"),
    Row("M6B", "M6B", "Micro GBP/USD", "1/10000", "0.625", QUARTERLY, "fx", "fx", "6B"),
    Row("M6E", "M6E", "Micro EUR/USD", "1/10000", "1.25", QUARTERLY, "fx", "fx", "6E"),
    Row("GMCD", "MCD", "Micro CAD/USD", "1/10000", "1.00", QUARTERLY, "fx", "fx_canada", "6C"),
    # crypto
    Row("MBT", "MBT", "Micro Bitcoin", "5", "0.50", MONTHLY, "crypto", "crypto"),
    Row("GMET", "MET", "Micro Ether", "1/2", "0.05", MONTHLY, "crypto", "crypto"),
    # interest rates
    Row("SR3", "SR3", "3-Month SOFR", "1/200", "12.50", QUARTERLY, "rates", "sofr"),
    Row("USA", "ZB", "30-Year U.S. Treasury Bond", "1/32", "31.25", QUARTERLY, "rates", "bonds"),
    Row("ULA", "UB", "Ultra U.S. Treasury Bond", "1/32", "31.25", QUARTERLY, "rates", "bonds"),
    Row("TYA", "ZN", "10-Year U.S. Treasury Note", "1/64", "15.625", QUARTERLY, "rates", "bonds"),
    Row("TNA", "TN", "Ultra 10-Year U.S. Treasury Note", "1/64", "15.625", QUARTERLY, "rates", "bonds"),
    Row("FVA", "ZF", "5-Year U.S. Treasury Note", "1/128", "7.8125", QUARTERLY, "rates", "notes"),
    Row("TUA", "ZT", "2-Year U.S. Treasury Note", "1/256", "7.8125", QUARTERLY, "rates", "notes"),
    # energy
    Row("CLE", "CL", "Crude Light (Globex)", "1/100", "10.00", MONTHLY, "energy", "crude"),
    Row("MCLE", "MCL", "Micro Crude Oil", "1/100", "1.00", MONTHLY, "energy", "crude_mini", "CL"),
    Row("NQM", "QM", "E-mini Crude Oil", "1/40", "12.50", MONTHLY, "energy", "crude_mini"),
    Row("NGE", "NG", "Natural Gas (Globex)", "1/1000", "10.00", MONTHLY, "energy", "gas"),
    Row("MNGE", "MNG", "Micro Natural Gas", "1/1000", "1.00", MONTHLY, "energy", "gas_mini", "NG"),
    Row("NQG", "QG", "E-mini Natural Gas", "1/200", "12.50", MONTHLY, "energy", "gas_mini"),
    Row("RBE", "RB", "RBOB Gasoline (Globex)", "1/10000", "4.20", MONTHLY, "energy", "products"),
    Row("HOE", "HO", "NY Harbor ULSD (Globex)", "1/10000", "4.20", MONTHLY, "energy", "products"),
    # metals
    Row("GCE", "GC", "Gold (Globex)", "1/10", "10.00", "GJMQZ", "metals", "metals"),
    Row("MGC", "MGC", "Micro Gold", "1/10", "1.00", "GJMQZ", "metals", "metals", "GC"),
    Row("SIE", "SI", "Silver (Globex)", "1/200", "25.00", "HKNUZ", "metals", "metals"),
    Row("SIL", "SIL", "Micro Silver (1,000 oz)", "1/200", "5.00", "HKNUZ", "metals", "metals", "SI"),
    Row("CPE", "HG", "Copper (Globex)", "1/2000", "12.50", "HKNUZ", "metals", "metals"),
    Row("MHG", "MHG", "Micro Copper", "1/2000", "1.25", "HKNUZ", "metals", "copper_micro", "HG"),
    Row("PLE", "PL", "Platinum (Globex)", "1/10", "5.00", "FJNV", "metals", "metals"),
    # grains
    Row("ZCE", "ZC", "Corn (Globex)", "1/4", "12.50", "HKNUZ", "grains", "grains"),
    Row("ZSE", "ZS", "Soybeans (Globex)", "1/4", "12.50", "FHKNQUX", "grains", "grains"),
    Row("ZWA", "ZW", "Wheat (Globex)", "1/4", "12.50", "HKNUZ", "grains", "grains"),
    Row("ZME", "ZM", "Soybean Meal (Globex)", "1/10", "10.00", "FHKNQUVZ", "grains", "grains"),
    Row("ZLE", "ZL", "Soybean Oil (Globex)", "1/100", "6.00", "FHKNQUVZ", "grains", "grains"),
    # livestock
    Row("GF", "GF", "Feeder Cattle (Globex)", "1/40", "12.50", "FHJKQUVX", "livestock", "feeder_cattle"),
    Row("GLE", "LE", "Live Cattle (Globex)", "1/40", "10.00", "GJMQVZ", "livestock", "live_cattle"),
    Row("HE", "HE", "Lean Hogs (Globex)", "1/40", "10.00", "GJKMNQVZ", "livestock", "lean_hogs"),
)
# fmt: on
