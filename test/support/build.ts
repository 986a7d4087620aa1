// Before any test: dist/ is what the sources say. The demo, the example and the package test run the built command. A type
// error is the type check's to report; JavaScript is written all the same.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export function setup(): void {
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
    cwd,
    stdio: 'inherit',
  });
}
