// Runs the whole example: prepares SQLite, starts the server, loads it, applies the patch under load, reverts it.
// `node examples/sqlite-server/run.ts` (Node 26, after `npm ci`); exits non-zero if a step is not as it says.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = fileURLToPath(new URL('.', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'wgraft-sqlite-'));
const environment = { ...process.env, WGRAFT_SOCKET_DIR: join(folder, 'sockets') };
const prepared = join(folder, 'sqlite.slots.wasm');
const patch = join(folder, 'no-drop.wgp');

/** Runs one wgraft command and shows it. */
async function wgraft(...args: string[]): Promise<void> {
  console.log(`$ wgraft ${args.map((a) => a.replace(`${folder}/`, '').replace(here, '')).join(' ')}`);
  const command = join(here, '../../bin/wgraft.js');
  const { stdout } = await promisify(execFile)(process.execPath, [command, ...args], { env: environment });
  console.log(stdout.trimEnd());
}

function expect(what: string, found: unknown, wanted: unknown): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (is !== should) throw new Error(`${what}: ${is}, not ${should}`);
  console.log(`  ${what}: ${is}`);
}

const wasm = createRequire(import.meta.url).resolve('sql.js/dist/sql-wasm-debug.wasm');
await wgraft('prepare', wasm, '-o', prepared);
const source = join(here, 'no-drop.c');
await wgraft('build', '--target', prepared, '--replace', `sqlite3_prepare_v2=${source}`, '-o', patch);

const server = spawn(process.execPath, [join(here, 'server.ts'), prepared], {
  env: environment,
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const [banner] = (await once(createInterface(server.stdout), 'line')) as [string];
  const port = /listening on (\d+)/.exec(banner)?.[1];
  console.log(banner);
  await story(`http://127.0.0.1:${port}/sql`);
} finally {
  server.kill();
  await rm(folder, { recursive: true, force: true });
}

async function story(url: string): Promise<void> {
  const sql = async (statement: string): Promise<unknown> => {
    const response = await fetch(url, { method: 'POST', body: statement });
    return response.json();
  };
  await sql('CREATE TABLE visits (page TEXT)');
  await sql('CREATE TABLE scratch (x)');

  const load = startLoad(sql);
  await load.reach(200);
  await wgraft('apply', patch);
  const during = load.answered();
  await load.reach(during + 200);
  expect('DROP TABLE is refused', await sql('drop table visits'), {
    error: 'no such table: dropping tables is switched off',
  });
  expect('state is kept', typeof (await sql('SELECT count(*) FROM visits')), 'object');
  await wgraft('status');
  await wgraft('revert');
  await load.reach(load.answered() + 200);
  expect('DROP TABLE works again', await sql('drop table scratch'), []);

  const { sent, failed } = await load.stop();
  expect('requests lost', failed, 0);
  expect('rows', await sql('SELECT count(*) FROM visits'), [[sent]]);
}

/** Eight clients that insert rows until they are stopped. */
function startLoad(sql: (statement: string) => Promise<unknown>): {
  answered(): number;
  reach(count: number): Promise<void>;
  stop(): Promise<{ sent: number; failed: number }>;
} {
  const count = { sent: 0, answered: 0, failed: 0 };
  let running = true;
  const client = async (): Promise<void> => {
    while (running) {
      count.sent += 1;
      const rows = await sql("INSERT INTO visits VALUES ('/')").catch(() => undefined);
      if (Array.isArray(rows)) count.answered += 1;
      else count.failed += 1;
    }
  };
  const clients = Array.from({ length: 8 }, client);
  return {
    answered: () => count.answered,
    async reach(wanted) {
      while (count.answered < wanted && count.failed === 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
    },
    async stop() {
      running = false;
      await Promise.all(clients);
      return { sent: count.sent, failed: count.failed };
    },
  };
}
