// node costs-process.ts COST ARGUMENT: one process of the costs bench. Prints an object of figures; times are CPU time, of
// all threads where the engine works in the background, else of this one.

import diagnostics from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { join } from 'node:path';
import { buildPatch, buildPatchFromBuilds } from '../src/build/index.ts';
import { type Engine, findSlotMap } from '../src/patch/index.ts';
import { prepare, prepareSync } from '../src/prepare/index.ts';
import { Patcher } from '../src/runtime/index.ts';
import { readSections } from '../src/wasm/index.ts';
import { wat } from '../test/support/wat.ts';
import { threadTimeMs } from './clock.ts';
import { withEdits } from './edited-module.ts';
import { spread } from './statistics.ts';

export type Figures = Readonly<Record<string, number>>;

/** CPU time of all threads of this process, ms. */
function processTimeMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const require = createRequire(import.meta.url);

export const kernels: Readonly<Record<string, () => string>> = {
  'sql.js': () => join(require.resolve('sql.js'), '../sql-wasm.wasm'),
  esbuild: () => require.resolve('esbuild-wasm/esbuild.wasm'),
  'web-tree-sitter': () => join(require.resolve('web-tree-sitter'), '../debug/web-tree-sitter.wasm'),
  clang: () => join(require.resolve('@yowasp/clang'), '../llvm.core.wasm'),
};

const costs: Readonly<Record<string, (argument: string) => Promise<Figures>>> = {
  splice: (kernel) => prepareOnce(kernel, 'splice'),
  binaryen: (kernel) => prepareOnce(kernel, 'binaryen'),
  debug: moveDebugInformation,
  build: buildOnce,
  instantiate: (count) => instantiateLarge(Number(count)),
  apply: (count) => applyTo(Number(count)),
  import: importPackage,
};

async function prepareOnce(kernel: string, engine: Engine): Promise<Figures> {
  const bytes = readFileSync(kernels[kernel]?.() ?? kernel);
  const before = process.resourceUsage().maxRSS;
  const times: number[] = [];
  // A server prepares many modules, a build one: the first and the best of them.
  for (let i = 0; i < (engine === 'splice' ? 4 : 1); i++) {
    const began = processTimeMs();
    await prepare(new Uint8Array(bytes), { engine, slots: 'auto' });
    times.push(processTimeMs() - began);
  }
  return {
    bytes: bytes.length,
    firstMs: times[0] ?? Number.NaN,
    bestMs: Math.min(...times),
    peakBytes: (process.resourceUsage().maxRSS - before) * 1024,
  };
}

/** What debug information adds to preparing; CPU time of this thread. */
async function moveDebugInformation(kernel: string): Promise<Figures> {
  const bytes = new Uint8Array(readFileSync(kernels[kernel]?.() ?? kernel));
  const isDebug = ({ name }: { name: string }): boolean => name.startsWith('.debug_');
  const sections = readSections(bytes);
  const rest = sections.filter((s) => !isDebug(s)).map((s) => bytes.subarray(s.start, s.end));
  const bare = new Uint8Array(Buffer.concat([bytes.subarray(0, 8), ...rest]));
  const timed = (module: Uint8Array): number => {
    const began = threadTimeMs();
    prepareSync(module);
    return threadTimeMs() - began;
  };
  timed(bare);
  const added = Array.from({ length: 40 }, () => timed(bytes) - timed(bare));
  return {
    bytes: sections.filter(isDebug).reduce((sum, { payload, end }) => sum + end - payload, 0),
    firstMs: added[0] ?? Number.NaN,
    laterMs: spread(added.slice(20)).median,
  };
}

/** A patch between two builds without relocations, of which the second has one constant changed and one function more. */
async function buildOnce(kernel: string): Promise<Figures> {
  const old = new Uint8Array(readFileSync(kernels[kernel]?.() ?? kernel));
  const edited = withEdits(old);
  const began = processTimeMs();
  const { report } = await buildPatchFromBuilds({ old, new: edited, name: 'edited' });
  return { bytes: old.length, ms: processTimeMs() - began, functions: report.functions.length };
}

async function instantiateLarge(count: number): Promise<Figures> {
  const functions = Array.from(
    { length: count },
    (_, i) => `(func (param i32) (result i32) (i32.const ${i}))`,
  );
  const bytes = await wat(`(module (memory 1) (func (export "f")) ${functions.join('')})`);
  const plain = await timeInstances(bytes);
  const prepared = await timeInstances((await prepare(bytes, { slots: 'all' })).bytes);
  return {
    plainUs: plain.us,
    preparedUs: prepared.us,
    plainBytes: plain.bytes,
    preparedBytes: prepared.bytes,
  };
}

async function timeInstances(bytes: Uint8Array): Promise<{ us: number; bytes: number }> {
  const module = await WebAssembly.compile(new Uint8Array(bytes));
  const kept = [new WebAssembly.Instance(module)];
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const times = Array.from({ length: 60 }, () => {
    const began = threadTimeMs();
    kept.push(new WebAssembly.Instance(module));
    return (threadTimeMs() - began) * 1000;
  });
  globalThis.gc?.();
  return { us: spread(times).median, bytes: (process.memoryUsage.rss() - before) / (kept.length - 1) };
}

const step = (body: string): string =>
  `(module (func $step (export "step") (param i32) (result i32) ${body}))`;

/** Applies a patch of one function to `count` instances; an instance of a module without memory is small. */
async function applyTo(count: number): Promise<Figures> {
  const { bytes } = await prepare(await wat(step('(i32.add (local.get 0) (i32.const 1))')));
  const source = {
    kind: 'wat',
    text: step('(i32.add (local.get 0) (i32.const 2))'),
    file: 'step.wat',
  } as const;
  const patch = await buildPatch({
    target: bytes,
    name: 'step',
    replacements: [{ function: 'step', source }],
  });
  const module = await WebAssembly.compile(bytes);
  const patcher = new Patcher();
  const instances = Array.from({ length: count }, () => new WebAssembly.Instance(module));
  for (const instance of instances) patcher.adopt(instance, module);
  let [first, migrated] = [Number.NaN, 0];
  diagnostics.subscribe('wgraft:migrated', () => {
    if (migrated === 0) first = threadTimeMs();
    migrated += 1;
  });
  const began = threadTimeMs();
  await patcher.verify(patch.bytes);
  const verified = threadTimeMs();
  await patcher.apply(patch.bytes);
  const applied = threadTimeMs();
  if (migrated !== count) throw new Error(`${migrated} of ${count} migrated`);
  await patcher.revert(undefined);
  return {
    slots: findSlotMap(bytes)?.functions.length ?? 0,
    verifyMs: verified - began,
    stageUsEach: ((first - verified) * 1000) / count,
    commitUsEach: ((applied - first) * 1000) / count,
    applyMs: applied - verified,
    revertMs: threadTimeMs() - applied,
  };
}

/** The package as it is published, built by `npm run build`. */
async function importPackage(): Promise<Figures> {
  let modules = 0;
  let bytes = 0;
  const entry = new URL('../dist/index.js', import.meta.url).href;
  const hooks = registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (url.startsWith('file:')) {
        modules += 1;
        bytes += Buffer.byteLength(String(loaded.source));
      }
      return loaded;
    },
  });
  const began = threadTimeMs();
  await import(entry);
  const ms = threadTimeMs() - began;
  hooks.deregister();
  return { modules, bytes, ms };
}

const [cost = '', argument = ''] = process.argv.slice(2);
const measure = costs[cost];
if (measure === undefined) throw new Error(`no cost "${cost}"`);
const figures = await measure(argument);
process.stdout.write(JSON.stringify(figures), () => process.exit());
