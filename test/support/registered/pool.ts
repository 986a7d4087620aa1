// The program of pool.mjs, in C, and a fix of it that brings a variable and a function of its own.

import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { buildPatch } from '../../../src/build/index.ts';
import { prepare } from '../../../src/prepare/index.ts';
import { type Running, type Sandbox, sandbox } from '../cli.ts';
import { compileC } from '../compile-c.ts';

const soon = { timeout: 30_000, interval: 5 };
const program = fileURLToPath(new URL('./pool.mjs', import.meta.url));

const source = `
#define EXPORT(name) __attribute__((noinline, export_name(#name)))
typedef int (*function)(int);
__attribute__((import_module("env"), import_name("hold"))) void hold(void);
static function volatile stored;
static int total;
__attribute__((noinline)) static int twice(int x) { return 2 * x; }
EXPORT(step) int step(int x) {
  __asm__ volatile("" : "+r"(x)); /* the compiler is not to know what it answers */
  return x;
}
EXPORT(work) int work(int rounds) {
  for (int i = 0; i < rounds; i++) __atomic_add_fetch(&total, step(1), __ATOMIC_SEQ_CST);
  return rounds;
}
EXPORT(sum) int sum(void) { return total; }
EXPORT(answer) int answer(void) { return 1; }
EXPORT(calls) int calls(void) { return 0; }
EXPORT(where) int where(void) { return 0; }
EXPORT(store) void store(function f) { stored = f; }
EXPORT(publish) void publish(void) { store(twice); }
EXPORT(through) int through(int x) { return stored(x); }
EXPORT(slow) int slow(void) { hold(); return 1; }
`;

const fix = `
typedef int (*function)(int);
void store(function);
void hold(void);
static int counter = 100;
static int thrice(int x) { return 3 * x; }
int step(int x) {
  __atomic_add_fetch(&counter, 1, __ATOMIC_SEQ_CST);
  return x;
}
int answer(void) { return 2; }
int calls(void) { return __atomic_load_n(&counter, __ATOMIC_SEQ_CST); }
int where(void) { return (int)&counter; }
void publish(void) { store(thrice); }
int slow(void) { hold(); return 2; }
`;
const fixed = ['step', 'answer', 'calls', 'where', 'publish', 'slow'];

const threads = ['-matomics', '-mbulk-memory'];
const flags = [
  '--target=wasm32-unknown-unknown',
  '-nostdlib',
  ...threads,
  '-Wl,--no-entry,--shared-memory,--import-memory,--export-table,--growable-table',
  '-Wl,--initial-memory=131072,--max-memory=4194304',
];

export interface Pool extends AsyncDisposable {
  readonly box: Sandbox;
  readonly running: Running;
  /** The answer to a line. */
  ask(line: string): Promise<unknown>;
  /** One more line of the last answer. */
  later(): Promise<unknown>;
}

async function build(): Promise<{ module: Uint8Array; patch: Uint8Array }> {
  const module = await compileC(source, { flags });
  const { bytes: target } = await prepare(module, { slots: 'all' });
  const how = { name: 'fix', compilerFlags: threads, allocator: 'grow' } as const;
  const text = { kind: 'c', text: fix, file: 'fix.c' } as const;
  const replacements = fixed.map((name) => ({ function: name, source: text }));
  return { module, patch: (await buildPatch({ target, replacements, ...how })).bytes };
}

let built: ReturnType<typeof build> | undefined;

/** A pool under the register hook, with `fix.wgp` beside it. */
export async function startPool(...args: readonly string[]): Promise<Pool> {
  const box = await sandbox();
  built ??= build();
  const { module, patch } = await built;
  await box.write('pool.wasm', module);
  await box.write('fix.wgp', patch);
  const running = box.registered(['--expose-gc', program, 'pool.wasm', ...args], { WGRAFT_SLOTS: 'all' });
  await running.says('ready');
  let asked = 0;
  const answer = async (n: number): Promise<unknown> => {
    const lines = (): string[] => running.output.stdout.split('\n').slice(1, -1); // after `ready`
    await expect.poll(() => lines().length, soon).toBeGreaterThanOrEqual(n);
    return JSON.parse(lines()[n - 1] ?? '');
  };
  const ask = (line: string): Promise<unknown> => {
    running.write(`${line}\n`);
    asked += 1;
    return answer(asked);
  };
  return {
    box,
    running,
    ask,
    later: () => answer(++asked),
    [Symbol.asyncDispose]: () => box[Symbol.asyncDispose](),
  };
}

/** Waits until the program can be reached by the command. */
export async function reachable({ box }: Pool): Promise<void> {
  await expect.poll(() => readdir(box.sockets).catch(() => []), soon).toHaveLength(1);
}
