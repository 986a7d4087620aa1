// Run by first-call.ts, with and without the hook: the time from the start of the process to the first result of a program.

const programs = {
  nothing: async () => {},
  'sql.js': async () => {
    const { default: initSqlJs } = await import('sql.js');
    const { Database } = await initSqlJs();
    new Database().exec('SELECT 1');
  },
  'esbuild-wasm': async () => {
    const { createRequire } = await import('node:module');
    const { readFile } = await import('node:fs/promises');
    const require = createRequire(import.meta.url);
    globalThis.self = globalThis; // what its browser build asks for
    const esbuild = require('esbuild-wasm/lib/browser.js');
    const wasmModule = await WebAssembly.compile(
      await readFile(require.resolve('esbuild-wasm/esbuild.wasm')),
    );
    await esbuild.initialize({ wasmModule, worker: false });
    await esbuild.transform('let a = 1 + 2');
  },
  clang: async () => {
    const { commands } = await import('@yowasp/clang');
    await commands.clang(['--version'], {}, { stdout() {}, stderr() {}, fetchProgress() {} });
  },
};

await programs[process.argv[2]]();
const wallMs = performance.now(); // since the process began
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ wallMs, cpuMs: (user + system) / 1000 }));
process.exit();
