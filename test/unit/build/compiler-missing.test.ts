// @yowasp/clang is optional: without it, C sources are refused with the command that installs it. The sources are copied to
// where only the packages are found that they load at once, and built from there.

import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const packages = ['env-paths', 'is-safe-filename'];

const program = `
import { buildPatch } from './src/build/index.ts';
import { prepare } from './src/prepare/index.ts';
// (module (func (export "f")))
const kernel = new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,4,1,2,0,11]);
const { bytes: target } = await prepare(kernel, { slots: 'all' });
const source = { kind: 'c', text: 'void f(void) {}', file: 'fix.c' };
await buildPatch({ target, name: 'fix', replacements: [{ function: 'f', source }] }).catch((error) => {
  console.log(JSON.stringify(error));
});
`;

test('without the compiler', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wgraft-no-compiler-'));
  try {
    await cp(join(root, 'src'), join(folder, 'src'), { recursive: true });
    await mkdir(join(folder, 'node_modules'));
    for (const name of packages)
      await symlink(join(root, 'node_modules', name), join(folder, 'node_modules', name));
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await writeFile(join(folder, 'program.ts'), program);
    const { stdout } = await promisify(execFile)(process.execPath, ['program.ts'], { cwd: folder });
    expect(JSON.parse(stdout)).toEqual({
      code: 'WGRAFT_ERR_COMPILER_MISSING',
      message: 'C sources need @yowasp/clang, which is not installed',
      hint: 'npm install --save-dev @yowasp/clang',
      details: { package: '@yowasp/clang' },
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
