// A client of the Workbench desk for pages and programs: REST typed by the routes, and topics over /ws. No dependencies.

import type { Operations, Refusal } from "./types";

export type * from "./types";

export type Route = keyof Operations;
type Given<T> = undefined extends T ? unknown : T;
type Part<K extends string, T> = [T] extends [undefined] ? unknown : undefined extends T ? { [P in K]?: T } : { [P in K]: T };
export type Call<R extends Route> = Part<"path", Operations[R]["path"]> &
  Given<unknown> & { query?: Operations[R]["query"] } & Part<"body", Operations[R]["body"]> & {
    /** The same key again with the same body is one act; an order's own `request` is its key. */
    key?: string;
    signal?: AbortSignal;
  };

/** The desk said no; `status` is the HTTP status, `kind` the name of its error. */
export class Refused extends Error {
  constructor(readonly status: number, readonly kind: string, text: string, readonly retryAfterS?: number) {
    super(text);
    this.name = "Refused";
  }
}

export class Workbench {
  constructor(private readonly url: string, private readonly token: string) {}

  /** Call a route: `desk.call("GET /api/orders", { query: { account: 1001 } })`. */
  async call<R extends Route>(route: R, ...[given]: {} extends Call<R> ? [Call<R>?] : [Call<R>]): Promise<Operations[R]["answer"]> {
    const [method, template] = route.split(" ") as [string, string];
    const asked = (given ?? {}) as { path?: object; query?: object; body?: unknown; key?: string; signal?: AbortSignal };
    const path = template.replace(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(String((asked.path as Record<string, unknown>)[name])),
    );
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(asked.query ?? {})) if (value != null) query.set(name, String(value));
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}` };
    if (asked.body !== undefined) headers["content-type"] = "application/json";
    if (asked.key !== undefined) headers["idempotency-key"] = asked.key;
    const options: RequestInit = { method, headers, credentials: "omit", cache: "no-store" };
    if (asked.body !== undefined) options.body = JSON.stringify(asked.body);
    if (asked.signal !== undefined) options.signal = asked.signal;
    const response = await fetch(`${this.url}${path}${query.size > 0 ? `?${query}` : ""}`, options);
    const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false;
    const body: unknown = isJson ? await response.json() : await response.text();
    if (response.ok) return body as Operations[R]["answer"];
    const why = (isJson ? body : { error: String(body), kind: "Foreign" }) as Refusal;
    const after = response.headers.get("retry-after");
    throw new Refused(response.status, why.kind, why.error, after === null ? undefined : Number(after));
  }

  /** Stop everything (or one account): latch, cancel, close, verify. */
  stop(reason: string, person: string, account: number | null = null): Promise<Operations["POST /api/stop"]["answer"]> {
    return this.call("POST /api/stop", { body: { reason, person, account } });
  }

  /** Follow topics; they are resumed after every lost connection. Call `close()` on what is returned. */
  follow(topics: readonly TopicName[], listener: TopicListener): Following {
    return new Following(this.url.replace(/^http/, "ws") + "/ws", this.token, topics, listener);
  }
}

/** A key for one act, made when the person clicks: sent again with every retry of it. */
export function newKey(): string {
  return crypto.randomUUID();
}

export type Topic = "quotes" | "signals" | "triggers" | "orders" | "positions" | "pnl" | "risk" | "status" | "alerts";
export type TopicName = Topic | `bars:${string}:${string}`;
export type Values = Readonly<Record<string, unknown>>;
export type TopicListener = (topic: TopicName, values: Values, isComplete: boolean) => void;

export type ServerMessage =
  | { type: "welcome"; topics: string[]; epoch: string; heartbeat_s: number }
  | { type: "snapshot"; topic: TopicName; seq: number; epoch: string; values: Record<string, unknown> }
  | { type: "resumed"; topic: TopicName; seq: number; epoch: string }
  | { type: "delta"; topic: TopicName; seq: number; changed: Record<string, unknown>; removed: string[] }
  | { type: "heartbeat"; seq: number }
  | { type: "pong" }
  | { type: "error"; text: string; topic: string | null };

interface Held {
  seq: number;
  epoch: string;
  values: Record<string, unknown>;
}

/** Topics over one socket that comes back: what was missed is asked for by its number, else sent as a snapshot. */
export class Following {
  private socket: WebSocket | null = null;
  private readonly held = new Map<TopicName, Held>();
  private pauseMs = 250;
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;
  private isClosed = false;

  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly topics: readonly TopicName[],
    private readonly listener: TopicListener,
  ) {
    this.connect();
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.quiet);
    clearTimeout(this.again);
    this.socket?.close();
  }

  private connect(): void {
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => {
      socket.send(JSON.stringify({ token: this.token })); // never in the URL: URLs end up in logs
      const wanted = this.topics.map((topic) => {
        const held = this.held.get(topic);
        return held ? { topic, since: held.seq, epoch: held.epoch } : { topic };
      });
      socket.send(JSON.stringify({ op: "subscribe", topics: wanted }));
      this.listenFor(15_000);
    };
    socket.onmessage = (event: MessageEvent<string>) => {
      this.pauseMs = 250;
      this.listenFor(15_000);
      this.take(JSON.parse(event.data) as ServerMessage, socket);
    };
    socket.onclose = (event) => {
      clearTimeout(this.quiet);
      if (this.isClosed || event.code === 4401) return; // the token is worth nothing: asking again would not help
      this.again = setTimeout(() => this.connect(), this.pauseMs);
      this.pauseMs = Math.min(this.pauseMs * 2, 10_000);
    };
  }

  private listenFor(ms: number): void {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => this.socket?.close(), ms); // three heartbeats are missing
  }

  private take(message: ServerMessage, socket: WebSocket): void {
    if (message.type === "snapshot") {
      this.held.set(message.topic, { seq: message.seq, epoch: message.epoch, values: message.values });
      this.listener(message.topic, message.values, true);
    } else if (message.type === "delta") {
      const held = this.held.get(message.topic);
      if (held === undefined || message.seq !== held.seq + 1) {
        this.held.delete(message.topic); // a gap: begin with a snapshot
        socket.send(JSON.stringify({ op: "subscribe", topics: [message.topic] }));
        return;
      }
      for (const key of message.removed) delete held.values[key];
      Object.assign(held.values, message.changed);
      held.seq = message.seq;
      this.listener(message.topic, { ...held.values }, true);
    } else if (message.type === "error" && message.topic !== null) {
      this.listener(message.topic as TopicName, {}, false);
    }
  }
}
