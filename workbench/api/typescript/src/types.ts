// Generated from openapi.json by `python -m workbench.api.type_writer`; do not edit.

/** One account, USD. */
export interface AccountRow {
  account: number;
  name: string;
  kind: string;
  can_trade: boolean | null;
  linked: boolean;
  balance_usd: number | null;
  equity_usd: number | null;
  day_pnl_usd: number | null;
  realized_usd: number | null;
  open_usd: number | null;
  fees_usd: number | null;
  headroom: Headroom[];
  positions: PositionRow[];
  working: OrderRow[];
  halted: string[];
  runner: RunnerRow;
}

/** Start a stored version of a strategy as a session. */
export interface ActivateStrategy {
  start_policy?: "adopt" | "wait_flat" | "flatten";
  disconnect_policy?: "keep" | "pause" | "flatten";
  disconnect_after_s?: number;
  account: number;
  contract?: string | null;
  parameters?: Record<string, number | string | boolean>;
}

/** Something a person should read; `at` is wall time, `market_at` the market's where it was known, UTC ns. */
export interface AlertRow {
  at: number;
  market_at?: number | null;
  level: string;
  text: string;
  account?: number | null;
}

/** A page on this machine that may call the desk from a browser, such as a dashboard on a port it picked itself. */
export interface AllowOrigin {
  origin: string;
}

/** An origin that may call from now on. */
export interface Allowed {
  allowed: string;
}

/** Who gave the last sign of life, and when (UTC ns); null when nobody has. */
export interface Attended {
  person: string | null;
  at: number | null;
}

/** Who did what, when (UTC ns) and from where. */
export interface AuditLine {
  at: number | null;
  who: string;
  what: string;
  source: string;
  details: Record<string, unknown>;
}

/** A backtest on stored bars, as `workbench.backtest` takes it. */
export interface BacktestRequest {
  strategy: string;
  contract?: string | null;
  timeframe?: string | null;
  start?: string | null;
  end?: string | null;
  parameters?: Record<string, number | string | boolean>;
  slippage_ticks?: number;
  programme?: string | null;
  engine?: "auto" | "kernel" | "event" | "every";
}

/** One bar; `time` is its start in unix seconds, prices in points. */
export interface Bar {
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

/** Cancel one working order. */
export interface CancelOrder {
  request: string;
  account: number;
  person?: string;
}

/** One thing that two versions do differently. */
export interface Change {
  what: string;
  kind: "added" | "removed" | "changed";
  before: string;
  after: string;
}

/** New values for limits of one level; unset ones stay. Loosening needs that no session runs. */
export interface ChangeLimits {
  level?: "global" | "accounts" | "markets" | "strategies";
  name?: string;
  values: Record<string, unknown>;
  reason: string;
  person: string;
}

/** Part of a stored series, from `offset` of `total` bars on; `lines` holds an indicator's value at each bar. */
export interface Chart {
  contract: string;
  timeframe: string;
  total: number;
  offset: number;
  bars: Bar[];
  lines: Record<string, (number | null)[]>;
}

/** Whether a text is a strategy, the version it would be, and what is odd about it. */
export interface Checked {
  ok: boolean;
  error: string | null;
  findings: StrategyFinding[];
  name: string | null;
  version: string | null;
  timeframe: string | null;
  roots: string[];
  warmup: number | null;
  parameters: Record<string, unknown>;
}

/** Clear the latch. Both a reason and a person are needed; nobody clears a stop by accident. */
export interface ClearStop {
  reason: string;
  person: string;
  account?: number | null;
}

/** Close a whole position at the market. */
export interface ClosePosition {
  request: string;
  person?: string;
}

/** End every session of a strategy: its orders are cancelled, its positions closed. */
export interface DeactivateStrategy {
  account?: number | null;
  person?: string;
}

/** A parameter that a strategy declares; a bound that is null is none. */
export interface DeclaredParameter {
  name: string;
  type: string;
  default: number | boolean;
  min: number | null;
  max: number | null;
  step: number | null;
  description: string;
}

/** A text, and the bar at whose close it is asked. Without `bars`, the desk's own recent ones. */
export interface Explain {
  source: string;
  contract: string;
  at: number;
  limit?: number;
}

/** What every condition came to at the close of one bar: each rule as a tree of parts with value or truth. */
export interface Explained {
  strategy: string;
  bar: string;
  row: number;
  end: number;
  rules: Record<string, unknown>;
  hurdles: Record<string, Record<string, unknown>[]>;
  verdicts: Record<string, string>;
  bars: number;
}

/** One fill; `qty` signed (+ bought), `gross_pnl_usd` null when it opened a position. */
export interface FillRow {
  trade_id: number;
  order_id: number | null;
  account: number;
  contract: string;
  qty: number;
  price: number | null;
  fees_usd: number | null;
  gross_pnl_usd: number | null;
  at: number;
}

/** What the gates file asks on the way into a state. */
export interface GateAsked {
  into: string;
  gate: string;
  wanted: string;
}

/** One gate's answer: what was found, what is asked, and in words why. */
export interface GateVerdict {
  into: string;
  gate: string;
  passed: boolean;
  value: number | string | null;
  bound: number | string | null;
  text: string;
}

/** What a release came to: which halts ended, which still hold, or why nothing was released. */
export interface HaltsReleased {
  account: number;
  accepted: boolean;
  reason?: string | null;
  released: string[];
  halted: string[];
}

/** How much of one limit is used. */
export interface Headroom {
  limit: string;
  used_usd?: number | null;
  limit_usd?: number | null;
}

/** The desk answers. */
export interface Health {
  status: "ok";
  service: string;
  version: string;
  schema: string;
}

/** A sign of life. A person gives it, never a timer: what it holds open is closed when nobody looks. */
export interface Here {
  person: string;
}

/** A backtest, sweep, walk-forward or report, run beside the desk. Times are UTC ns, `progress` from 0 to 1. */
export interface Job {
  id: string;
  kind: "backtest" | "sweep" | "walk_forward" | "report";
  state: "queued" | "running" | "done" | "failed" | "cancelled" | "interrupted";
  phase: string;
  progress: number | null;
  asked: Record<string, unknown>;
  by: string;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
  error: string | null;
  result?: Record<string, unknown> | null;
}

/** Ask the gates on the way to a state; nothing is promoted. */
export interface Judge {
  to: "tested" | "paper" | "live" | "retired";
  session?: string | null;
}

/** An order by a person. `request` is a key of the caller's: the same key twice is one order. Prices in points. */
export interface ManualOrder {
  request: string;
  account: number;
  contract: string;
  side: "BUY" | "SELL";
  type?: "MARKET" | "LIMIT" | "STOP";
  qty: number;
  limit_price?: number | null;
  stop_price?: number | null;
  person?: string;
}

/** Change one working order; what is left out stays as it is. Prices in points. */
export interface ModifyOrder {
  request: string;
  account: number;
  qty?: number | null;
  limit_price?: number | null;
  stop_price?: number | null;
  person?: string;
}

/** A strategy as text; it is stored as a version under the hash of its content. */
export interface NewStrategy {
  source: string;
  person?: string;
}

/** A token for another program; it is shown once. */
export interface NewToken {
  name: string;
  scopes: ("read" | "trade" | "stop")[];
  days?: number;
  person?: string;
}

/** One order; prices in points, `at` in UTC ns, `filled` of `qty` contracts. */
export interface OrderRow {
  order_id: number | null;
  tag?: string | null;
  account: number;
  contract: string;
  side: string;
  type: string;
  qty: number;
  filled: number;
  limit_price?: number | null;
  stop_price?: number | null;
  status: string;
  strategy?: string | null;
  rule?: string | null;
  reason?: string | null;
  at: number;
}

/** Close part of a position at the market; more than is open is refused. With `seen_qty` nothing is done once the position has turned or gone. */
export interface PartClosePosition {
  request: string;
  qty: number;
  person?: string;
  seen_qty?: number | null;
}

/** What one contract of one account has earned on this trading date, USD; `net_usd` = realised + open - fees. */
export interface Performance {
  account: number;
  contract: string;
  qty: number;
  fills: number;
  contracts_traded: number;
  realized_usd: number;
  fees_usd: number;
  open_usd: number | null;
  net_usd: number | null;
  wins: number;
  losses: number;
}

/** What became of an order or an action: accepted by the gate, or why not. */
export interface Placed {
  accepted: boolean;
  reason?: string | null;
  order?: OrderRow | null;
}

/** One position; `qty` signed, prices in points. */
export interface PositionRow {
  account?: number | null;
  contract: string;
  qty: number;
  average_price: number | null;
  last_price: number | null;
  open_usd: number | null;
}

/** Promote one exact version: through its gates, or refused with every reason. */
export interface Promote {
  to: "tested" | "paper" | "live" | "retired";
  session?: string | null;
  reason: string;
  person: string;
}

/** What became of a promotion or a rollback; refused: `passed` is false and `reasons` says why. */
export interface Promoted {
  name: string;
  version: string;
  wanted: string;
  was: string;
  now: string;
  session: string;
  person: string;
  reason: string;
  at: number;
  passed: boolean;
  replaced: string | null;
  parameters: Record<string, unknown>;
  reasons: string[];
  verdicts: GateVerdict[];
}

/** Stored bars against the exchange's calendar: sums, one row per trading date, the longest gaps, rejected rows. */
export interface QualityReport {
  contract: string;
  timeframe: string;
  totals: Record<string, number>;
  quarantine: Record<string, number>;
  days: Record<string, unknown>[];
  gaps: Record<string, unknown>[];
  rejected: RejectedRow[];
}

/** Why nothing was done. `kind` is the name of the error. */
export interface Refusal {
  error: string;
  kind: string;
}

/** A row that failed validation, with its values as JSON; `time` in unix seconds, null where it had none. */
export interface RejectedRow {
  time: number | null;
  reason: string;
  source: string;
  values: string;
}

/** Release what halts an account until a person has looked, such as a clock jump; never a stop or a limit. */
export interface ReleaseHalts {
  request: string;
  reason: string;
  person: string;
}

/** A report to be run from a shipped template. */
export interface ReportRequest {
  template: string;
  parameters?: Record<string, number | string | boolean>;
}

/** One report that was run: ok, failed (a cell raised) or error (it could not run at all). */
export interface ReportRow {
  name: string;
  template: string;
  title: string;
  about: string;
  schedule: string;
  status: string;
  error: string;
  started: string;
  seconds: number;
}

/** How the last due report of a schedule went: running, waiting (for another try), ok or failed. */
export interface ReportRun {
  due: number;
  status: string;
  tries: number;
  report: string;
  error: string;
}

/** A report that is made by the clock; `next_due` is null until a scheduler has seen it. */
export interface ReportSchedule {
  name: string;
  template: string;
  due: string;
  parameters: Record<string, unknown>;
  keep: number;
  tries: number;
  retry_s: number;
  person: string;
  since: number | null;
  next_due: number | null;
  last: ReportRun | null;
}

/** A shipped template. */
export interface ReportTemplate {
  name: string;
  title: string;
  parameters: TemplateParameter[];
}

/** Turn a position at the market; with `seen_qty` only as long as it is still that. */
export interface ReversePosition {
  request: string;
  person?: string;
  seen_qty?: number | null;
}

/** Make the version live again that was live before; with `to` that one or none. */
export interface Rollback {
  reason: string;
  person: string;
  to?: string | null;
}

/** What a backtest can run; `strategy` is what it is asked for with. */
export interface Runnable {
  strategy: string;
  name: string;
  version: string;
  stored: boolean;
  description: string;
  timeframe: string;
  roots: string[];
  parameters: DeclaredParameter[];
  constraints: string[];
}

/** The process that trades an account. */
export interface RunnerRow {
  state: string;
  pid?: number | null;
  epoch?: number | null;
  since?: number | null;
  restarts?: number;
  reason?: string | null;
  age_s?: number | null;
}

/** A schedule to be kept: cron, or a time around the exchange's open or close. */
export interface ScheduleRequest {
  name: string;
  template: string;
  due: string;
  parameters?: Record<string, number | string | boolean>;
  keep?: number;
  tries?: number;
  retry_s?: number;
}

/** A session in which a version is live (null when none is any more), and those before, the newest last. */
export interface SeatRow {
  session: string;
  version: string | null;
  before: string[];
}

/** Who gave a session command. */
export interface SessionCommand {
  person?: string;
}

/** One trading run of a strategy version; `reason` says why it does not trade, in its runner's words. `waits_for` says what else a living one waits for, and until when: the clock, the open, its warm-up. */
export interface SessionRow {
  session: string;
  strategy: string;
  version: string;
  account: number;
  contract: string;
  timeframe: string;
  state: string;
  position?: number | null;
  pnl_usd?: number | null;
  trades?: number | null;
  last_bar_end?: number | null;
  last_signal?: string | null;
  last_signal_at?: number | null;
  last_pnl_usd?: number | null;
  parameters?: Record<string, unknown>;
  reason?: string | null;
  waits_for?: string | null;
  start_policy?: string | null;
  disconnect_policy?: string | null;
  disconnect_after_s?: number | null;
  bars?: number | null;
  warm_bars?: number | null;
}

/** What stopping one session came to; `escalated`: its whole account had to be stopped. */
export interface SessionStopped {
  session: string;
  account: number;
  result: string;
  escalated: boolean;
  remaining: string[];
  ms: number;
}

/** What a session's rule said; `at` is the end of the bar that gave it, UTC ns. */
export interface SignalRow {
  session: string;
  account: number;
  at: number;
  rule: string;
}

/** Start a strategy on an account. `strategy` is a path, a name or a version; without `contract` its front month. */
export interface StartSession {
  start_policy?: "adopt" | "wait_flat" | "flatten";
  disconnect_policy?: "keep" | "pause" | "flatten";
  disconnect_after_s?: number;
  strategy: string;
  account: number;
  contract?: string | null;
  parameters?: Record<string, number | string | boolean>;
}

/** Everything that can be seen at one instant. */
export interface State {
  at: number;
  desk: Record<string, unknown>;
  gateway: Record<string, unknown>;
  stop: StopState;
  accounts: AccountRow[];
  sessions: SessionRow[];
  data: Record<string, unknown>[];
  streams: Record<string, unknown>[];
  alerts: AlertRow[];
  signals?: SignalRow[];
}

/** The emergency stop. Every field has a default and unknown keys are ignored: an empty body stops everything. */
export interface StopRequest {
  reason?: string;
  account?: number | null;
  person?: string;
}

/** FLAT as two clean readings of the broker say, or the list of what remains. */
export interface StopResult {
  result: string;
  latched: boolean;
  remaining: string[];
  accounts: Record<string, unknown>[];
  ms: number;
}

/** Stop one session at once; without a sign of its runner the whole account is stopped. */
export interface StopSession {
  reason?: string;
  person?: string;
}

/** Whether anything is stopped, since when (UTC ns) and why. */
export interface StopState {
  latched: boolean;
  reason: string | null;
  by: string | null;
  at: number | null;
  account?: number | null;
  accounts: number[];
  last_result?: Record<string, unknown> | null;
}

/** Stop one strategy at once; without a sign of its runner the whole account is stopped. */
export interface StopStrategy {
  account?: number | null;
  reason?: string;
  person?: string;
}

/** A token that can do nothing but stop. */
export interface StopToken {
  token: string;
  expires_at: string;
  expires_in_s: number;
}

/** What the store holds of a contract in a timeframe; `first` and `last` are bar starts in unix seconds. */
export interface StoredSeries {
  contract: string;
  timeframe: string;
  rows: number;
  first: number;
  last: number;
}

/** One thing that is odd about a text; `line` 0 where there is none. */
export interface StrategyFinding {
  level: "error" | "warning" | "hint";
  code: string;
  text: string;
  line: number;
}

/** One stored version of a strategy. */
export interface StrategyRow {
  version: string;
  name: string;
  state: string;
  description: string;
  timeframe: string;
  roots: string[];
  parent: string | null;
  kind: string;
  at: number;
  live_in: string[];
}

/** A strategy as text, to be checked; nothing is stored. */
export interface StrategySource {
  source: string;
}

/** Which sessions of a strategy were ended, and which accounts had to be stopped whole. */
export interface StrategyStopped {
  strategy: string;
  ended: string[];
  escalated: number[];
  results: SessionStopped[];
}

/** One stored version with its text. */
export interface StrategyText {
  version: string;
  name: string;
  state: string;
  description: string;
  timeframe: string;
  roots: string[];
  parent: string | null;
  kind: string;
  at: number;
  live_in: string[];
  source: string;
  parameters: Record<string, unknown>;
  versions: string[];
}

/** A sweep on stored bars; `values` says what each parameter is tried with: a list, or ``low:high:step``. */
export interface SweepRequest {
  strategy: string;
  contract?: string | null;
  timeframe?: string | null;
  start?: string | null;
  end?: string | null;
  values: Record<string, (number | string | boolean)[] | number | string | boolean>;
  method?: "grid" | "random" | "tpe";
  trials?: number | null;
  metric?: string;
  seed?: number;
  slippage_ticks?: number;
  programme?: string | null;
}

/** A parameter as its notebook declares it; `default` is Python as written, such as ``""`` or ``7``. */
export interface TemplateParameter {
  name: string;
  default: string;
  help: string;
}

/** A new token, shown this once. */
export interface TokenMade {
  id: string;
  name: string;
  scopes: string[];
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
  by: string;
  token: string;
}

/** An issued token without its secret; times in UTC ns. */
export interface TokenRow {
  id: string;
  name: string;
  scopes: string[];
  created_at: number;
  expires_at: number;
  revoked_at: number | null;
  by: string;
}

/** An answer whose fields its own room defines. */
export interface Told {
  [more: string]: unknown;
}

/** One round trip of a backtest; prices in points, money in USD, times UTC ns. An open trade has no exit. */
export interface TradeRow {
  entry_at: number;
  exit_at: number | null;
  side: string;
  qty: number;
  entry_price: number;
  exit_price: number | null;
  gross_usd: number;
  costs_usd: number;
  net_usd: number;
  rule: string | null;
  exit_rule: string | null;
  mae_usd: number | null;
  mfe_usd: number | null;
  bars: number;
}

/** One promotion that was asked for, carried out or refused. */
export interface VersionAttempt {
  at: number;
  wanted: string;
  session: string;
  person: string;
  reason: string;
  accepted: boolean;
  program: string;
  parameters: Record<string, unknown>;
  verdicts: GateVerdict[];
}

/** One version with its lineage (the oldest first), ways on, attempts (the newest first), evidence and gates. */
export interface VersionDetails {
  version: string;
  name: string;
  state: string;
  live_in: string[];
  parent: string | null;
  kind: string;
  at: number;
  person: string;
  lineage: VersionRow[];
  ways: string[];
  attempts: VersionAttempt[];
  evidence: VersionEvidence[];
  gates: GateAsked[];
}

/** What `new` does differently from `old`, by meaning. */
export interface VersionDifference {
  old: VersionRow;
  new: VersionRow;
  changes: Change[];
}

/** The newest result of its kind that is attached to a version. */
export interface VersionEvidence {
  kind: string;
  at: number;
  data_version: string;
  stats: Record<string, unknown>;
}

/** One stored version and where it stands; `at` in UTC ns. */
export interface VersionRow {
  version: string;
  name: string;
  state: string;
  live_in: string[];
  parent: string | null;
  kind: string;
  at: number;
  person: string;
}

/** A walk-forward on stored bars: choose on `train` trading dates, trade the next `test`, move on. */
export interface WalkForwardRequest {
  strategy: string;
  contract?: string | null;
  timeframe?: string | null;
  start?: string | null;
  end?: string | null;
  values: Record<string, (number | string | boolean)[] | number | string | boolean>;
  method?: "grid" | "random";
  trials?: number | null;
  metric?: string;
  seed?: number;
  slippage_ticks?: number;
  programme?: string | null;
  train: number;
  test: number;
  anchored?: boolean;
}

/** What each route takes and answers; `scope` is what the token needs. */
export interface Operations {
  "GET /api/accounts": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: AccountRow[];
  };
  "GET /api/accounts/{account}": {
    scope: "read";
    path: { account: number };
    query: undefined;
    body: undefined;
    answer: AccountRow;
  };
  "GET /api/accounts/{account}/headroom": {
    scope: "read";
    path: { account: number };
    query: undefined;
    body: undefined;
    answer: Headroom[];
  };
  "POST /api/accounts/{account}/release": {
    scope: "trade";
    path: { account: number };
    query: undefined;
    body: ReleaseHalts;
    answer: HaltsReleased;
  };
  "GET /api/audit": {
    scope: "read";
    path: undefined;
    query: { limit?: number };
    body: undefined;
    answer: AuditLine[];
  };
  "POST /api/backtests": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: BacktestRequest;
    answer: Job;
  };
  "GET /api/bars": {
    scope: "read";
    path: undefined;
    query: { contract: string; timeframe?: string; limit?: number };
    body: undefined;
    answer: Bar[];
  };
  "GET /api/data": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: StoredSeries[];
  };
  "GET /api/data/chart": {
    scope: "read";
    path: undefined;
    query: { contract: string; timeframe?: string; at?: string | null; offset?: number | null; limit?: number; line?: string[] | null };
    body: undefined;
    answer: Chart;
  };
  "GET /api/data/quality": {
    scope: "read";
    path: undefined;
    query: { contract: string; timeframe?: string; start?: string | null; end?: string | null };
    body: undefined;
    answer: QualityReport;
  };
  "GET /api/fills": {
    scope: "read";
    path: undefined;
    query: { account?: number | null; contract?: string | null; limit?: number; offset?: number };
    body: undefined;
    answer: FillRow[];
  };
  "GET /api/health": {
    scope: "open";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: Health;
  };
  "GET /api/here": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: Attended;
  };
  "POST /api/here": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: Here;
    answer: Attended;
  };
  "GET /api/history/bars": {
    scope: "read";
    path: undefined;
    query: { contract: string; timeframe?: string; start?: string | null; end?: string | null; limit?: number; offset?: number };
    body: undefined;
    answer: Bar[];
  };
  "GET /api/history/{what}": {
    scope: "read";
    path: { what: "orders" | "fills" | "sessions" | "days" };
    query: { account: number; limit?: number; before?: string | null };
    body: undefined;
    answer: Told[];
  };
  "GET /api/jobs": {
    scope: "read";
    path: undefined;
    query: { kind?: "backtest" | "sweep" | "walk_forward" | "report" | null };
    body: undefined;
    answer: Job[];
  };
  "GET /api/jobs/{job}": {
    scope: "read";
    path: { job: string };
    query: undefined;
    body: undefined;
    answer: Job;
  };
  "POST /api/jobs/{job}/cancel": {
    scope: "trade";
    path: { job: string };
    query: undefined;
    body: undefined;
    answer: Job;
  };
  "GET /api/jobs/{job}/trades": {
    scope: "read";
    path: { job: string };
    query: { limit?: number; offset?: number; order?: "time" | "newest" | "best" | "worst" };
    body: undefined;
    answer: TradeRow[];
  };
  "GET /api/limits": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: Told;
  };
  "POST /api/limits/set": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: ChangeLimits;
    answer: Told;
  };
  "POST /api/limits/tighten": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: ChangeLimits;
    answer: Told;
  };
  "GET /api/monitor": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: Told;
  };
  "GET /api/orders": {
    scope: "read";
    path: undefined;
    query: { account?: number | null; contract?: string | null; status?: string | null; limit?: number; offset?: number };
    body: undefined;
    answer: OrderRow[];
  };
  "POST /api/orders": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: ManualOrder;
    answer: Placed;
  };
  "GET /api/orders/{order_id}": {
    scope: "read";
    path: { order_id: number };
    query: { account?: number | null };
    body: undefined;
    answer: OrderRow;
  };
  "POST /api/orders/{order_id}/cancel": {
    scope: "trade";
    path: { order_id: number };
    query: undefined;
    body: CancelOrder;
    answer: Placed;
  };
  "POST /api/orders/{order_id}/modify": {
    scope: "trade";
    path: { order_id: number };
    query: undefined;
    body: ModifyOrder;
    answer: Placed;
  };
  "POST /api/origins": {
    scope: "desk";
    path: undefined;
    query: undefined;
    body: AllowOrigin;
    answer: Allowed;
  };
  "GET /api/positions": {
    scope: "read";
    path: undefined;
    query: { account?: number | null };
    body: undefined;
    answer: PositionRow[];
  };
  "GET /api/positions/{account}/{contract}": {
    scope: "read";
    path: { account: number; contract: string };
    query: undefined;
    body: undefined;
    answer: PositionRow;
  };
  "POST /api/positions/{account}/{contract}/close": {
    scope: "trade";
    path: { account: number; contract: string };
    query: undefined;
    body: ClosePosition;
    answer: Placed;
  };
  "POST /api/positions/{account}/{contract}/part-close": {
    scope: "trade";
    path: { account: number; contract: string };
    query: undefined;
    body: PartClosePosition;
    answer: Placed;
  };
  "GET /api/positions/{account}/{contract}/performance": {
    scope: "read";
    path: { account: number; contract: string };
    query: undefined;
    body: undefined;
    answer: Performance;
  };
  "POST /api/positions/{account}/{contract}/reverse": {
    scope: "trade";
    path: { account: number; contract: string };
    query: undefined;
    body: ReversePosition;
    answer: Placed;
  };
  "GET /api/reports": {
    scope: "read";
    path: undefined;
    query: { limit?: number };
    body: undefined;
    answer: ReportRow[];
  };
  "POST /api/reports": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: ReportRequest;
    answer: Job;
  };
  "GET /api/reports/schedules": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: ReportSchedule[];
  };
  "POST /api/reports/schedules": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: ScheduleRequest;
    answer: ReportSchedule;
  };
  "DELETE /api/reports/schedules/{name}": {
    scope: "trade";
    path: { name: string };
    query: undefined;
    body: undefined;
    answer: ReportSchedule[];
  };
  "GET /api/reports/templates": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: ReportTemplate[];
  };
  "GET /api/reports/{name}/page": {
    scope: "read";
    path: { name: string };
    query: undefined;
    body: undefined;
    answer: string;
  };
  "GET /api/runnable": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: Runnable[];
  };
  "GET /api/seats": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: SeatRow[];
  };
  "POST /api/seats/{session}/rollback": {
    scope: "trade";
    path: { session: string };
    query: undefined;
    body: Rollback;
    answer: Promoted;
  };
  "GET /api/sessions": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: SessionRow[];
  };
  "POST /api/sessions": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: StartSession;
    answer: SessionRow;
  };
  "GET /api/sessions/{session}": {
    scope: "read";
    path: { session: string };
    query: undefined;
    body: undefined;
    answer: SessionRow;
  };
  "POST /api/sessions/{session}/emergency-stop": {
    scope: "stop";
    path: { session: string };
    query: undefined;
    body: StopSession | undefined;
    answer: SessionStopped;
  };
  "POST /api/sessions/{session}/{verb}": {
    scope: "trade";
    path: { session: string; verb: "start" | "pause" | "resume" | "flatten" | "end" };
    query: undefined;
    body: SessionCommand | undefined;
    answer: SessionRow;
  };
  "GET /api/state": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: State;
  };
  "GET /api/stop": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: StopState;
  };
  "POST /api/stop": {
    scope: "stop";
    path: undefined;
    query: undefined;
    body: StopRequest | undefined;
    answer: StopResult;
  };
  "POST /api/stop-token": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: StopToken;
  };
  "POST /api/stop/clear": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: ClearStop;
    answer: Told;
  };
  "GET /api/strategies": {
    scope: "read";
    path: undefined;
    query: { limit?: number; offset?: number };
    body: undefined;
    answer: StrategyRow[];
  };
  "POST /api/strategies": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: NewStrategy;
    answer: StrategyText;
  };
  "POST /api/strategies/check": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: StrategySource;
    answer: Checked;
  };
  "POST /api/strategies/explain": {
    scope: "read";
    path: undefined;
    query: undefined;
    body: Explain;
    answer: Explained;
  };
  "GET /api/strategies/{name}": {
    scope: "read";
    path: { name: string };
    query: undefined;
    body: undefined;
    answer: StrategyText;
  };
  "PUT /api/strategies/{name}": {
    scope: "trade";
    path: { name: string };
    query: undefined;
    body: NewStrategy;
    answer: StrategyText;
  };
  "POST /api/strategies/{name}/activate": {
    scope: "trade";
    path: { name: string };
    query: undefined;
    body: ActivateStrategy;
    answer: SessionRow;
  };
  "POST /api/strategies/{name}/deactivate": {
    scope: "trade";
    path: { name: string };
    query: undefined;
    body: DeactivateStrategy | undefined;
    answer: SessionRow[];
  };
  "POST /api/strategies/{name}/emergency-stop": {
    scope: "stop";
    path: { name: string };
    query: undefined;
    body: StopStrategy | undefined;
    answer: StrategyStopped;
  };
  "POST /api/sweeps": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: SweepRequest;
    answer: Job;
  };
  "GET /api/tokens": {
    scope: "desk";
    path: undefined;
    query: undefined;
    body: undefined;
    answer: TokenRow[];
  };
  "POST /api/tokens": {
    scope: "desk";
    path: undefined;
    query: undefined;
    body: NewToken;
    answer: TokenMade;
  };
  "POST /api/tokens/{token}/revoke": {
    scope: "desk";
    path: { token: string };
    query: undefined;
    body: undefined;
    answer: TokenRow;
  };
  "GET /api/trades": {
    scope: "read";
    path: undefined;
    query: { account?: number | null; contract?: string | null; limit?: number; offset?: number };
    body: undefined;
    answer: FillRow[];
  };
  "GET /api/versions": {
    scope: "read";
    path: undefined;
    query: { name?: string | null; limit?: number; offset?: number };
    body: undefined;
    answer: VersionRow[];
  };
  "GET /api/versions/{version}": {
    scope: "read";
    path: { version: string };
    query: undefined;
    body: undefined;
    answer: VersionDetails;
  };
  "GET /api/versions/{version}/difference/{other}": {
    scope: "read";
    path: { version: string; other: string };
    query: undefined;
    body: undefined;
    answer: VersionDifference;
  };
  "POST /api/versions/{version}/judge": {
    scope: "trade";
    path: { version: string };
    query: undefined;
    body: Judge;
    answer: GateVerdict[];
  };
  "POST /api/versions/{version}/promote": {
    scope: "trade";
    path: { version: string };
    query: undefined;
    body: Promote;
    answer: Promoted;
  };
  "POST /api/walk-forwards": {
    scope: "trade";
    path: undefined;
    query: undefined;
    body: WalkForwardRequest;
    answer: Job;
  };
}
