// esbuild (Go's own compiler; 14 MB): minifies a published library, bundles TypeScript and JSX from memory through a
// plugin, and reports an error. Its browser build is used because it takes the module from its caller; Go runs its
// scheduler inside the module, so every round goes in and out of it hundreds of times.

import { readFileSync } from 'node:fs';
import type * as Esbuild from 'esbuild-wasm';
import { digest } from './digest.ts';
import { freshRequire, packageFile, readPackageFile } from './fresh.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const esbuild: Workload = { name: 'esbuild', traits: ['go', '14 MB'], followsClock: true, start };

async function start(loader: Loader): Promise<Running> {
  const library = readFileSync(packageFile('web-tree-sitter', 'web-tree-sitter.cjs'), 'utf8');
  const bytes = readPackageFile('esbuild-wasm/package.json', 'esbuild.wasm');
  const program = await asInBrowser(() =>
    loadThrough(loader, async () => {
      const program = freshRequire<typeof Esbuild>('esbuild-wasm/lib/browser.js');
      await program.initialize({ wasmModule: await WebAssembly.compile(bytes), worker: false });
      return program;
    }),
  );
  return { work: (scale = 1) => work(program, library, scale) };
}

/** The browser build reads the names of its globals off `self` while it starts. */
async function asInBrowser<T>(load: () => Promise<T>): Promise<T> {
  const had = Object.getOwnPropertyDescriptor(globalThis, 'self');
  Object.defineProperty(globalThis, 'self', { value: globalThis, configurable: true });
  try {
    return await load();
  } finally {
    if (had === undefined) Reflect.deleteProperty(globalThis, 'self');
    else Object.defineProperty(globalThis, 'self', had);
  }
}

async function work(program: typeof Esbuild, library: string, scale: number): Promise<string> {
  const minified = await program.transform(library, { minify: true, target: 'es2017', sourcemap: true });
  const bundle = await program.build({
    entryPoints: ['main'],
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    external: ['react/*'],
    plugins: [fromMemory(Math.ceil(30 * scale))],
  });
  const refused = await program.transform('let a = ;', { loader: 'ts', logLevel: 'silent' }).catch(String);
  const outputs = [minified.code, minified.map, refused, bundle.outputFiles.map((file) => file.text)];
  return `minified to ${minified.code.length}, results ${digest(outputs)}`;
}

function fromMemory(count: number): Esbuild.Plugin {
  return {
    name: 'memory',
    setup(build) {
      build.onResolve({ filter: /^(main|part-\d+)$/ }, ({ path }) => ({ path, namespace: 'memory' }));
      build.onLoad({ filter: /.*/, namespace: 'memory' }, ({ path }) => ({
        contents: path === 'main' ? entry(count) : part(Number(path.slice('part-'.length))),
        loader: 'tsx',
      }));
    },
  };
}

const entry = (count: number): string =>
  Array.from({ length: count }, (_, i) => `import { View${i}, kind${i} } from 'part-${i}';`).join('\n') +
  `\nexport const all = [${Array.from({ length: count }, (_, i) => `View${i}, kind${i}`)}];`;

const part = (i: number): string => `
  export enum Kind { Small = ${i}, Large = Small * 2 + 1 }
  interface Properties { readonly label: string; readonly children?: unknown }
  export const kind${i}: Kind = Kind.Large;
  export function View${i}({ label, ...rest }: Properties): unknown {
    const unused = label as string satisfies string;
    return <section title={label ?? 'part ${i}'} {...rest}>{rest.children?.toString()}<b>{kind${i}}</b></section>;
  }`;
