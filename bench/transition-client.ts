// The thread that loads transition-server.ts: some connections, one request after another on each. Told what goes on, it keeps
// the times of requests by the phase that they began in.

import { Agent, get } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

export type Phase = 'quiet' | 'patching';

export interface Load {
  /** ms from request to the end of the answer. */
  readonly times: Readonly<Record<Phase, readonly number[]>>;
  /** Requests without an answer, or with a wrong one. */
  readonly lost: number;
}

const connections = 4;
const warmUp = 2000;

const { port, expected } = workerData as { port: number; expected: readonly string[] };
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const times: Record<Phase, number[]> = { quiet: [], patching: [] };
let phase: Phase = 'quiet';
let lost = 0;
let ended = false;

parentPort?.on('message', (message: Phase | 'end') => {
  if (message === 'end') ended = true;
  else phase = message;
});

async function load(connection: number, until: (sent: number) => boolean): Promise<void> {
  for (let sent = 0; !until(sent); sent += 1) {
    const seed = (connection * 7 + sent) % expected.length;
    const [began, during] = [performance.now(), phase];
    const answer = await ask(seed).catch(() => undefined);
    if (answer === expected[seed]) times[during].push(performance.now() - began);
    else lost += 1;
  }
}

function ask(seed: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path: `/${seed}`, agent }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve(body));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

const all = (until: (sent: number) => boolean): Promise<unknown> =>
  Promise.all(Array.from({ length: connections }, (_, i) => load(i, until)));

await all((sent) => sent >= warmUp / connections);
times.quiet.length = 0;
parentPort?.postMessage('warm');
await all(() => ended);
parentPort?.postMessage({ times, lost } satisfies Load);
