// QuickJS (Emscripten): JavaScript programs run in the interpreter: arithmetic, objects, closures, regular expressions,
// exceptions, generators, BigInt, JSON, promises and calls to a function of the host.

import {
  newQuickJSWASMModuleFromVariant,
  type QuickJSSyncVariant,
  type QuickJSWASMModule,
  Scope,
} from 'quickjs-emscripten-core';
import { digest } from './digest.ts';
import { freshRequire } from './fresh.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const quickJs: Workload = {
  name: 'quickjs',
  traits: ['c', 'emscripten', 'imports its memory'],
  start,
};

async function start(loader: Loader): Promise<Running> {
  const variant = freshRequire<{ default: QuickJSSyncVariant }>(
    '@jitl/quickjs-wasmfile-release-sync',
  ).default;
  const quickjs = await loadThrough(loader, () => newQuickJSWASMModuleFromVariant(variant));
  return { work: async (scale = 1) => work(quickjs, scale) };
}

const programs: Readonly<Record<string, string>> = {
  recursion: `const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2); fib(18)`,
  bodies: `
    const bodies = [[0, 0, 0, 0, 39.5], [4.84, -1.16, 0.6, 2.8, 0.04], [8.34, 4.12, -1.01, 1.82, 0.01], [12.9, -15.1, 1.08, 0.87, 0.002]];
    for (let step = 0; step < 400 * scale; step++) {
      for (const a of bodies) for (const b of bodies) if (a !== b) {
        const dx = b[0] - a[0], dy = b[1] - a[1], d = Math.sqrt(dx * dx + dy * dy + 1e-3);
        a[2] += 0.001 * dx * b[4] / (d * d * d); a[3] += 0.001 * dy * b[4] / (d * d * d);
      }
      for (const a of bodies) { a[0] += 0.001 * a[2]; a[1] += 0.001 * a[3]; }
    }
    bodies`,
  text: `
    const words = []; let seed = 42;
    for (let i = 0; i < 3000 * scale; i++) { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; words.push((seed % 9973).toString(36)); }
    const text = words.join(' ');
    [text.match(/\\d[a-z]/g).length, text.replace(/(\\w)(\\w+)/gu, '$2$1').length, text.split(/\\s+/).reverse().join('').slice(0, 40),
     words.sort((a, b) => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)).slice(0, 20)]`,
  objects: `
    class Shape { constructor(n) { this.n = n; } area() { return this.n; } }
    class Square extends Shape { area() { return super.area() ** 2; } get side() { return this.n; } }
    const seen = new Map(); let total = 0;
    for (let i = 0; i < 5000 * scale; i++) {
      const shape = i % 2 ? new Square(i % 17) : new Shape(i % 23);
      total += shape.area(); const key = shape.constructor.name + i % 5; seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    [total, [...seen], JSON.parse(JSON.stringify({ total, list: Array.from({ length: 200 }, (_, i) => ({ i, even: i % 2 === 0, s: 'x'.repeat(i % 7) })) })).list.length]`,
  exceptions: `
    let caught = 0, order = '';
    for (let i = 0; i < 2000 * scale; i++) {
      try { if (i % 3 === 0) throw new RangeError('r' + i); null.x; } catch (e) { caught += e instanceof RangeError ? 1 : 1000; } finally { order = e0(i) + order.slice(0, 10); }
    }
    function e0(i) { try { return String(i % 10); } finally { caught++; } }
    [caught, order]`,
  generators: `
    function* primes() { const found = []; for (let n = 2; ; n++) if (found.every((p) => n % p)) { found.push(n); yield n; } }
    const out = []; for (const p of primes()) { if (out.length >= 250) break; out.push(p); } out`,
  bigint: `let f = 1n; for (let i = 1n; i <= 150n; i++) f *= i; [String(f), String(f % 1000000007n), String(2n ** 521n - 1n)]`,
  host: `const out = []; for (let i = 0; i < 500; i++) out.push(hostAdd(i, i * 2)); out.reduce((a, b) => a + b, 0)`,
  promises: `globalThis.answers = []; (async () => { for (let i = 0; i < 100; i++) answers.push(await i * 2); })(); 'started'`,
};

function work(quickjs: QuickJSWASMModule, scale: number): string {
  return Scope.withScope((scope) => {
    const runtime = scope.manage(quickjs.newRuntime());
    const context = scope.manage(runtime.newContext());
    const add = context.newFunction('hostAdd', (a, b) =>
      context.newNumber(context.getNumber(a) + context.getNumber(b)),
    );
    context.setProp(context.global, 'hostAdd', scope.manage(add));
    context.setProp(context.global, 'scale', scope.manage(context.newNumber(scale)));
    const evaluate = (source: string): unknown =>
      context.unwrapResult(context.evalCode(source)).consume((result) => context.dump(result));
    const results = Object.entries(programs).map(([name, source]) => [name, evaluate(`{${source}}`)]);
    const jobs = runtime.executePendingJobs();
    const pending = jobs.error === undefined ? jobs.value : 'failed';
    jobs.dispose();
    return `${results.length} programs, ${pending} jobs, results ${digest([results, evaluate('answers')])}`;
  });
}
