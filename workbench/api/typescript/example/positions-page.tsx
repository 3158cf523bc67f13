"use client";
// A page of a Next.js application (app/positions/page.tsx): positions live, a close button, and the red button.
// The token is issued for it: workbench token create --name page --scope read --scope trade --scope stop

import { useEffect, useMemo, useState } from "react";

import { newKey, Refused, Workbench, type PositionRow, type Values } from "../src/client";

interface Props {
  url: string; // http://127.0.0.1:8420; allow this page's origin: workbench desk --origin http://localhost:3000
  token: string;
  person: string;
}

export default function PositionsPage({ url, token, person }: Props) {
  const desk = useMemo(() => new Workbench(url, token), [url, token]);
  const [positions, setPositions] = useState<Values>({});
  const [said, setSaid] = useState("");

  useEffect(() => {
    const following = desk.follow(["positions", "risk"], (topic, values) => {
      if (topic === "positions") setPositions(values);
    });
    return () => following.close();
  }, [desk]);

  async function close(row: PositionRow, request: string): Promise<void> {
    if (row.account == null) return;
    try {
      const done = await desk.call("POST /api/positions/{account}/{contract}/close", {
        path: { account: row.account, contract: row.contract },
        body: { request, person },
      });
      setSaid(done.accepted ? `closing ${row.contract}` : `refused: ${done.reason}`);
    } catch (error) {
      setSaid(error instanceof Refused ? `${error.status}: ${error.message}` : String(error));
    }
  }

  return (
    <main>
      <button onClick={() => desk.stop("stopped on the page", person).then((done) => setSaid(done.result))}>STOP</button>
      <table>
        <tbody>
          {Object.entries(positions).map(([key, value]) => {
            const row = value as PositionRow;
            return (
              <tr key={key}>
                <td>{row.contract}</td>
                <td>{row.qty}</td>
                <td>{row.open_usd?.toFixed(2) ?? "–"}</td>
                <td>
                  <CloseButton act={(request) => close(row, request)} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <p role="status">{said}</p>
    </main>
  );
}

/** One key for one wish: a double click, or a retry after a lost answer, closes once. */
function CloseButton({ act }: { act: (request: string) => Promise<void> }) {
  const [request, setRequest] = useState(newKey);
  return <button onClick={() => act(request).then(() => setRequest(newKey()))}>Close</button>;
}
