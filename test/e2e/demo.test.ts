// What the README promises, run as it says: the demo and the example, with the built command.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

describe('from a checkout', () => {
  test('npm run demo: same process, state kept, the bug gone and back, no request lost', async () => {
    const { stdout } = await run(process.execPath, ['wasm-fixtures/inventory/demo.ts'], { cwd: root });
    expect(stdout).not.toContain('NOT OK');
    expect(stdout.match(/^ {2}ok {2}/gm)).toHaveLength(12);
    expect(stdout).toMatch(/ok {2}requests lost: 0 of \d+\n/);
  }, 120_000);

  test('examples/sqlite-server: SQLite patched under load, no row lost', async () => {
    const { stdout } = await run(process.execPath, ['examples/sqlite-server/run.ts'], { cwd: root });
    expect(stdout).toContain('DROP TABLE is refused');
    expect(stdout).toContain('requests lost: 0\n');
  }, 120_000);

  test('examples/plugin-host and worker-pool: tenants one by one, workers all together', async () => {
    const one = await run(process.execPath, ['examples/plugin-host/run.ts'], { cwd: root });
    expect(one.stdout).toContain('acme no longer');
    const all = await run(process.execPath, ['examples/worker-pool/run.ts'], { cwd: root });
    expect(all.stdout).toContain('migrated 2/2 instances');
    expect(all.stdout).toContain('as before');
  }, 120_000);
});
