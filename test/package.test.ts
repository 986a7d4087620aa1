// The package as users get it: what is in the tarball, what its entry points load, and that versions agree.

import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { version } from '../src/version.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  exports: Record<string, string>;
  dependencies: Record<string, string>;
};

test('src/version.ts and package.json agree', () => {
  expect(version).toBe(manifest.version);
});

test("CI runs the README's test command and nothing else", () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [, command = ''] = /and this runs the tests:\n\n```\n(.*)\n```\n/.exec(readme) ?? [];
  const ci = readFileSync(join(root, '.ci/run'), 'utf8').split('\n');
  const commands = ci.filter((line) => line !== '' && !/^(#|set |cd )/.test(line));
  expect(commands).toEqual(['npm cit']);
  expect(command).toBe('npm cit');
});

describe('the packed tarball, installed in an empty project', () => {
  const project = mkdtempSync(join(tmpdir(), 'wgraft-package-'));
  const home = join(project, 'node_modules/wgraft');
  let files: string[] = [];
  let archive = '';

  beforeAll(() => {
    const packed = execFileSync(
      'npm',
      ['pack', '--ignore-scripts', '--json', '--pack-destination', project],
      {
        cwd: root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    const [tarball] = Object.values(JSON.parse(packed) as object) as [
      { filename: string; files: { path: string }[] },
    ];
    files = tarball.files.map((f) => f.path);
    archive = join(project, tarball.filename);
    mkdirSync(home, { recursive: true });
    execFileSync('tar', ['-xzf', join(project, tarball.filename), '-C', home, '--strip-components=1']);
    // Its dependencies, and nothing else of this checkout.
    for (const name of Object.keys(manifest.dependencies)) {
      const link = join(project, 'node_modules', name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(root, 'node_modules', name), link);
    }
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  });
  afterAll(() => rmSync(project, { recursive: true, force: true }));

  test('has the command, the built code, its sources, the documents that help texts name and the licence, and nothing of the checkout', () => {
    const folders = new Set(files.map((f) => f.split('/')[0]));
    expect([...folders].sort()).toEqual(
      ['CHANGELOG.md', 'LICENSE', 'README.md', 'bin', 'dist', 'docs', 'package.json', 'src'].filter((f) =>
        folders.has(f),
      ),
    );
    for (const path of Object.values(manifest.exports)) expect(existsSync(join(home, path))).toBe(true);
    expect(files).toEqual(
      expect.arrayContaining([
        'bin/wgraft.js',
        'dist/index.js',
        'dist/index.d.ts',
        'src/index.ts',
        'docs/consistency.md',
        'docs/embedding.md',
        'LICENSE',
      ]),
    );
  });

  test.each([
    ['publint', ['--strict']],
    ['attw', ['--profile', 'esm-only']],
  ])('%s finds nothing wrong with it', async (tool, options) => {
    const command = join(root, 'node_modules/.bin', tool);
    // With a status that is not 0 this is rejected, and says what was found.
    const { stdout } = await promisify(execFile)(command, [archive, ...options]);
    expect(stdout).toContain(tool === 'publint' ? 'All good!' : 'wgraft/register');
  });

  const snippet = `
    import { readFileSync } from 'node:fs';
    import { instantiate, listen, version } from 'wgraft';
    import { prepare } from 'wgraft/prepare';
    import { buildPatch } from 'wgraft/build';
    import { connect } from 'wgraft/control';
    const kernel = Uint8Array.from(Buffer.from('AGFzbQEAAAABBQFgAAF/AwIBAAcHAQNvbmUAAAoGAQQAQQEL', 'base64'));
    const { bytes } = await prepare(kernel, { slots: 'all' });
    const { instance } = await instantiate(bytes, {}, { name: 'app' });
    await using server = await listen({ name: 'api' });
    const text = '(module (func (export "one") (result i32) (i32.const 2)))';
    const source = { kind: 'wat', text, file: 'two.wat' };
    const patch = await buildPatch({ target: bytes, replacements: [{ function: 'one', source }], name: 'two' });
    const client = await connect(server.path);
    const before = instance.exports.one();
    const { complete } = await client.apply(patch.bytes);
    console.log(JSON.stringify([version, before, complete, instance.exports.one()]));
    process.exit(0);`;

  /** The snippets of the pages that say how to embed, as they stand there, behind what they take for granted. */
  const given = `
    const kernel = Uint8Array.from(Buffer.from('AGFzbQEAAAABBQFgAAF/AwIBAAcHAQNvbmUAAAoGAQQAQQEL', 'base64'));
    const imports = {};
    const preparedBytes = (await (await import('wgraft/prepare')).prepare(kernel)).bytes;`;
  const documented = ['README.md', 'docs/embedding.md'].map((page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const [, code] = /```js\n(import \{ instantiate, listen \}[\s\S]*?)```/.exec(text) ?? [];
    // What it takes for granted goes behind its imports.
    const whole = code?.replace(/^(import .*\n)+/, (lines) => lines + given);
    return `${whole}console.log(instance.exports.one()); process.exit(0);`;
  });

  describe.each(['node22', 'node24', 'node'])('%s', (name) => {
    const node = join(dirname(require.resolve(`${name}/package.json`)), 'bin/node');
    const env = { ...process.env, WGRAFT_SOCKET_DIR: join(project, `sockets-${name}`) };
    const run = (file: string, code: string, ...options: string[]): string => {
      writeFileSync(join(project, file), code);
      return execFileSync(node, [...options, file], { cwd: project, encoding: 'utf8', env });
    };

    test('runs all that a host and an operator do', () => {
      // Node 22 knows no \`await using\`; the package's own code is compiled for it, a user's snippet is not.
      const code = name === 'node22' ? snippet.replace('await using server', 'const server') : snippet;
      expect(JSON.parse(run(`${name}.js`, code))).toEqual([version, 1, true, 2]);
    });

    test('runs the snippets of the README and of docs/embedding.md', () => {
      for (const code of documented) expect(run(`${name}-documented.js`, code)).toBe('1\n');
    });

    test('runs an unchanged program with --import wgraft/register, without a warning', async () => {
      const program = `
        import { execFile } from 'node:child_process';
        import { promisify } from 'node:util';
        const kernel = Uint8Array.from(Buffer.from('AGFzbQEAAAABBQFgAAF/AwIBAAcHAQNvbmUAAAoGAQQAQQEL', 'base64'));
        const { instance } = await WebAssembly.instantiate(kernel);
        const command = ['node_modules/wgraft/bin/wgraft.js', 'status', '--json'];
        const status = async () =>
          promisify(execFile)(process.execPath, command).then(({ stdout }) => JSON.parse(stdout), () => undefined);
        let found;
        for (let i = 0; i < 50 && found?.programs.length !== 1; i += 1) found = await status();
        console.log(JSON.stringify([found.target.name, found.programs.map((p) => [p.name, p.slots]), instance.exports.one()]));`;
      writeFileSync(join(project, `${name}-app.mjs`), program);
      const { stdout, stderr } = await promisify(execFile)(
        node,
        ['--import', 'wgraft/register', `${name}-app.mjs`],
        { cwd: project, env: { ...env, WGRAFT_CACHE_DIR: join(project, 'cache') } },
      );
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual([`${name}-app`, [[`${name}-app`, 1]], 1]);
    });
  });
});
