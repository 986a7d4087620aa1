// The rooms and who may import whom (docs/architecture.md). Read from the sources themselves, so it cannot be forgotten.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const src = join(root, 'src');

const mayImport: Record<string, readonly string[]> = {
  wasm: [],
  patch: ['wasm'],
  prepare: ['patch', 'wasm'],
  build: ['prepare', 'patch', 'wasm'],
  runtime: ['patch', 'wasm'],
  host: ['runtime', 'patch', 'wasm'],
  control: ['host', 'runtime', 'patch', 'wasm'],
  register: ['control', 'host', 'runtime', 'prepare', 'patch', 'wasm'],
  cli: ['register', 'control', 'host', 'runtime', 'build', 'prepare', 'patch', 'wasm'],
};

/** Packages a room may use. A room that is not named uses none: what runs inside other people's programs stays free of them. */
const packages: Record<string, readonly string[]> = {
  wasm: ['@webassemblyjs/wasm-parser'],
  prepare: ['@jridgewell/sourcemap-codec', 'binaryen', 'env-paths', 'write-file-atomic'],
  build: ['binaryen', 'wabt', '@yowasp/clang'],
  control: ['vscode-jsonrpc', 'valibot'],
  cli: ['commander', 'cli-table3', 'yocto-spinner', 'ms', 'pretty-bytes', 'write-file-atomic'],
};

/** Files that others may import past the room's index, because that would load much more. */
const lightEntries: readonly string[] = [
  'wasm/second-reader.ts',
  'wasm/engine.ts',
  'wasm/stand-in.ts',
  'wasm/dwarf/index.ts',
  'host/threads/index.ts',
  'control/server.ts',
  'control/socket-folder.ts',
  'prepare/cache.ts',
];

interface Import {
  readonly from: string;
  readonly to: string;
  /** Loaded when the importing file is: neither `import type` nor `import()`. */
  readonly eager: boolean;
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts'));
const imports = files.flatMap((from): Import[] => {
  const text = readFileSync(join(src, from), 'utf8');
  const statements = [...text.matchAll(/^(?:import|export)\s(type\s)?[^;]*?from '([^']+)'/gm)];
  const bare = [...text.matchAll(/^import '([^']+)'/gm)];
  const calls = [...text.matchAll(/(?<!typeof )\bimport\(\s*'([^']+)'\s*\)/g)];
  const required = [...text.matchAll(/import\.meta\.url, '(\.[^']+)'\)/g)];
  const one = (specifier: string, eager: boolean): Import => ({
    from,
    to: specifier.startsWith('.') ? relative(src, resolve(src, dirname(from), specifier)) : specifier,
    eager,
  });
  return [
    ...statements.map((s) => one(s[2] ?? '', s[1] === undefined)),
    ...bare.map((b) => one(b[1] ?? '', true)),
    ...calls.map((c) => one(c[1] ?? '', false)),
    ...required.map((r) => one(`${r[1]}.ts`, false)),
  ];
});

const roomOf = (file: string): string | undefined => (file.includes('/') ? file.split('/')[0] : undefined);
const isLocal = (to: string): boolean => to.endsWith('.ts');
const packageOf = (to: string): string =>
  to
    .split('/')
    .slice(0, to.startsWith('@') ? 2 : 1)
    .join('/');

describe('the rooms', () => {
  test('are the ones that docs/architecture.md names', () => {
    const rooms = readdirSync(src, { withFileTypes: true }).filter((e) => e.isDirectory());
    expect(rooms.map((r) => r.name).sort()).toEqual(Object.keys(mayImport).sort());
    const doc = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
    for (const room of rooms) expect(doc).toContain(`\`src/${room.name}\``);
  });

  test('import downwards only, and each other through index.ts', () => {
    const wrong = imports.filter(({ from, to }) => {
      const [here, there] = [roomOf(from), roomOf(to)];
      if (!isLocal(to) || here === undefined || here === there) return false;
      if (there === undefined) return !['errors.ts', 'require-now.ts', 'version.ts'].includes(to);
      const entry = to === `${there}/index.ts` || lightEntries.includes(to);
      return !mayImport[here]?.includes(there) || !entry;
    });
    expect(wrong).toEqual([]);
  });

  test('use only the packages that are theirs', () => {
    const wrong = imports.filter(({ from, to }) => {
      if (isLocal(to) || to.startsWith('node:')) return false;
      return !packages[roomOf(from) ?? '']?.includes(packageOf(to));
    });
    expect(wrong).toEqual([]);
  });

  test('hold no import cycle', () => {
    const next = new Map<string, Import[]>();
    for (const i of imports) if (isLocal(i.to) && i.eager) next.set(i.from, [...(next.get(i.from) ?? []), i]);
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): string | undefined => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].join(' -> ');
      if (done.has(file)) return undefined;
      for (const { to } of next.get(file) ?? []) {
        const cycle = visit(to, [...path, file]);
        if (cycle !== undefined) return cycle;
      }
      done.add(file);
      return undefined;
    };
    expect(files.map((f) => visit(f, [])).filter((c) => c !== undefined)).toEqual([]);
  });

  test('hold no file of more than 400 lines', () => {
    const long = files.filter((f) => readFileSync(join(src, f), 'utf8').split('\n').length > 401);
    expect(long).toEqual([]);
  });
});

/** The files that a program loads, in its main thread. */
function loadedBy(code: string, ...options: string[]): string[] {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
    ${code}
    console.log(JSON.stringify(loaded));
    process.exit();`;
  const args = [...options, '--input-type=module', '-e', script];
  const env = { ...process.env, WGRAFT_CACHE_DIR: 'off', WGRAFT_SOCKET_DIR: join(tmpdir(), 'wgraft-light') };
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', cwd: root, env })) as string[];
}

describe('the register hook', () => {
  const hook = JSON.stringify(join(src, 'register/index.ts'));

  test('is light: without a module it loads a few files and no room but its own', () => {
    const loaded = loadedBy(`await import(${hook});`).filter((url) => !url.startsWith('node:'));
    expect(loaded.length).toBeLessThan(20);
    expect(
      loaded.filter((url) => /node_modules|\/src\/(runtime|host|prepare|build|patch|cli)\//.test(url)),
    ).toEqual([]);
  });

  test('with a module it loads what prepares it and what runs it, and of packages only what names folders', () => {
    const module = '[0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,97,0,0,10,4,1,2,0,11]';
    const code = `await import(${hook}); await WebAssembly.instantiate(Uint8Array.from(${module}));`;
    const loaded = loadedBy(code);
    expect(loaded.some((url) => url.endsWith('/src/prepare/splice.ts'))).toBe(true);
    const packages = loaded.flatMap((url) => /node_modules\/([^/]+)/.exec(url)?.[1] ?? []);
    expect(new Set(packages)).toEqual(new Set(['env-paths', 'is-safe-filename']));
    expect(loaded.filter((url) => /\/src\/(build|cli)\//.test(url))).toEqual([]);
  });
});

describe('importing the runtime', () => {
  test('loads no package at all', () => {
    const loaded = loadedBy(`await import(${JSON.stringify(join(src, 'index.ts'))});`);
    expect(loaded.filter((url) => url.includes('/src/')).length).toBeGreaterThan(10);
    expect(loaded.filter((url) => url.includes('node_modules'))).toEqual([]);
    expect(loaded.filter((url) => /\/src\/(prepare|build|control|cli)\//.test(url))).toEqual([]);
  });
});
