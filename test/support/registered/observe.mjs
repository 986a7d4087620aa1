// Everything that a program can see of WebAssembly, written down. The test runs it with and without the hook and compares.
// Arguments: a folder with one.wasm (and esm.mjs, which imports it).

import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { inspect } from 'node:util';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';

const [folder] = process.argv.slice(2);
const bytes = readFileSync(`${folder}/one.wasm`);
const said = {};
const see = async (what, look) => {
  try {
    said[what] = await look();
  } catch (error) {
    said[what] = failure(error);
  }
};
/**
 * An error as a program sees it: where in the module it happened is another place where there are guards. And which turn of the event loop
 * an `await` goes on in is chance; Node shows a frame of its own below the program's in some.
 */
function failure(error) {
  const frames = String(error.stack)
    .replaceAll(folder, 'FOLDER')
    .split('\n')
    .filter((line) => line.trim().startsWith('at ') && !line.includes('processTicksAndRejections'))
    .map((line) =>
      line
        .trim()
        .replace(/wasm:\/\/wasm\/[\w.-]+?-?[0-9a-f]{8}:/, 'wasm:')
        .replace(/:0x[0-9a-f]+/, ''),
    );
  return [error.constructor === WebAssembly[error.name] || error.name, String(error.message), frames];
}
const log = [];
const imports = { host: { log: (value) => log.push(value), fail: () => JSON.parse('{') } };
const shape = (o) =>
  Reflect.ownKeys(o).map((key) => {
    const { value, get, set, ...flags } = Object.getOwnPropertyDescriptor(o, key);
    return [String(key), typeof value, typeof get, typeof set, value?.name, value?.length, flags];
  });

await see('the namespace', () => [
  shape(WebAssembly),
  String(WebAssembly),
  inspect(WebAssembly, { depth: 0 }),
]);
for (const name of ['Module', 'Instance', 'Memory', 'Table', 'Global', 'CompileError'])
  await see(name, () => [
    shape(WebAssembly[name]),
    shape(WebAssembly[name].prototype),
    WebAssembly[name].prototype.constructor === WebAssembly[name],
    inspect(WebAssembly[name]),
    Function.prototype.toString.call(WebAssembly[name]).includes('[native code]'),
  ]);

const module = new WebAssembly.Module(bytes);
const instance = new WebAssembly.Instance(module, imports);
await see('a module', () => [
  module instanceof WebAssembly.Module,
  module.constructor === WebAssembly.Module,
  Object.prototype.toString.call(module),
  inspect(module),
  WebAssembly.Module.exports(module),
  WebAssembly.Module.imports(module),
  ['one', 'build_id', 'wgraft.slots', 'dylink.0', ''].map((name) =>
    WebAssembly.Module.customSections(module, name).map((s) => Buffer.from(s).toString('hex')),
  ),
]);
/** Each custom section by its name, and those that wgraft adds or that only some modules have. */
for (const file of ['one', 'toolchain', 'long-numbers', 'cut', 'hinted'])
  await see(`sections of ${file}`, () => {
    const read = readFileSync(`${folder}/${file}.wasm`);
    const compiled = new WebAssembly.Module(read);
    const sections = (name) =>
      WebAssembly.Module.customSections(compiled, name).map((s) => Buffer.from(s).toString('hex'));
    const names = ['name', 'producers', 'target_features', 'build_id', 'metadata.code.branch_hint'];
    names.push('external_debug_info', 'sourceMappingURL', 'wgraft.slots', 'wgraft.original');
    return names.map((name) => [name, sections(name), read.includes(name)]);
  });
await see('an instance', () => [
  instance instanceof WebAssembly.Instance,
  inspect(instance),
  Object.keys(instance),
  Object.keys(instance.exports),
  Object.isFrozen(instance.exports),
  Object.getPrototypeOf(instance.exports),
  inspect(instance.exports),
  JSON.stringify(instance.exports),
]);
const { add, table, memory, counter, recurse, failing } = instance.exports;
await see('identity', () => {
  table.set(1, add);
  const other = new WebAssembly.Table({ element: 'anyfunc', initial: 1 });
  other.set(0, instance.exports.add);
  const again = new WebAssembly.Instance(module, imports);
  return [
    table.get(1) === add,
    other.get(0) === add,
    table.get(0) === add,
    again.exports.add === add,
    add.name,
    add.length,
    inspect(add),
    String(add),
    instance.exports.again === add,
    memory.buffer.byteLength,
    counter.value,
  ];
});
await see('calls', () => [add(2, 3), recurse(4), log]);
log.push = () => 0;

await see('new Module without bytes', () => new WebAssembly.Module());
await see('new Module of nothing', () => new WebAssembly.Module(new Uint8Array()));
await see('new Module of text', () => new WebAssembly.Module('text'));
await see('new Module cut', () => new WebAssembly.Module(bytes.subarray(0, 60)));
await see('new Module changed', () => {
  const changed = Uint8Array.from(bytes);
  changed[bytes.indexOf(Buffer.from([0x20, 0, 0x20, 1, 0x6a])) + 4] = 0xff;
  return new WebAssembly.Module(changed);
});
await see('Module without new', () => WebAssembly.Module(bytes));
await see('a subclass', () => {
  class Own extends WebAssembly.Module {}
  const own = new Own(bytes);
  return [own instanceof Own, own instanceof WebAssembly.Module, own.constructor.name];
});
await see('new Instance without imports', () => new WebAssembly.Instance(module));
await see('new Instance with a wrong import', () => new WebAssembly.Instance(module, { host: { log: 1 } }));
await see('new Instance of nothing', () => new WebAssembly.Instance({}));
for (const how of ['compile', 'instantiate']) {
  await see(`${how} gives`, async () => {
    const promise = WebAssembly[how](bytes, imports);
    const made = await promise;
    return [Object.getPrototypeOf(promise) === Promise.prototype, Object.keys(made), inspect(made)];
  });
  await see(`${how} without arguments`, () => WebAssembly[how]());
  await see(`${how} of a cut module`, () => WebAssembly[how](bytes.subarray(0, 60), imports));
  await see(`${how} of shared bytes`, async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    return inspect(await WebAssembly[how](shared, imports));
  });
}
await see('instantiate without an import', () => WebAssembly.instantiate(bytes, { host: {} }));
await see('instantiate a module', async () => inspect(await WebAssembly.instantiate(module, imports)));
await see('bytes changed after the call', async () => {
  const copy = Uint8Array.from(bytes);
  const made = WebAssembly.compile(copy);
  copy.fill(0);
  return inspect(await made);
});
await see('validate', () =>
  [bytes, bytes.subarray(0, 60), new Uint8Array()].map((b) => WebAssembly.validate(b)),
);
await see('a trap', () => instance.exports.trap());
await see('an exception of the host', () => failing());
await see('too deep', () => {
  try {
    recurse(1e9);
  } catch (error) {
    return [error.name, error.message];
  }
});

const server = createServer((request, response) => {
  const type = request.url === '/text' ? 'text/plain' : 'application/wasm';
  response.writeHead(request.url === '/404' ? 404 : 200, { 'content-type': type });
  response.end(request.url === '/cut' ? bytes.subarray(0, 60) : bytes);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}`;
for (const path of ['/', '/text', '/404', '/cut'])
  await see(`streaming ${path}`, async () => {
    const compiled = await WebAssembly.compileStreaming(fetch(url + path));
    const made = await WebAssembly.instantiateStreaming(await fetch(url + path), imports);
    return [inspect(compiled), inspect(made), made.instance.exports.add(1, 1)];
  });
await see('streaming a used response', async () => {
  const response = await fetch(url);
  await response.arrayBuffer();
  return WebAssembly.compileStreaming(response);
});
await see('streaming no response', () => WebAssembly.compileStreaming(bytes));
await see('streaming a failure', () => WebAssembly.compileStreaming(Promise.reject(new Error('mine'))));
server.close();

await see('a clone', () => {
  const clone = structuredClone(module);
  const made = new WebAssembly.Instance(clone, imports);
  return [
    clone instanceof WebAssembly.Module,
    WebAssembly.Module.exports(clone),
    Object.keys(made.exports),
    made.exports.add(1, 2),
  ];
});
await see('a module through a port', () => {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(module);
  const { message } = receiveMessageOnPort(port2);
  port1.close();
  return [
    Object.keys(new WebAssembly.Instance(message, imports).exports),
    message instanceof WebAssembly.Module,
  ];
});
await see('a module in a worker', async () => {
  const code = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { exports } = new WebAssembly.Instance(workerData, { host: { log() {}, fail() {} } });
    parentPort.postMessage([Object.keys(exports), exports.add(4, 5), WebAssembly.Module.exports(workerData)]);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
    workerData: module,
  });
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
});
await see('Worker', () => [
  shape(Worker),
  shape(Worker.prototype),
  Object.getPrototypeOf(Worker) === EventEmitter,
  Worker.prototype.constructor === Worker,
  process.getBuiltinModule('node:worker_threads').Worker === Worker,
]);
await see('Worker without new', () => Worker('x'));
await see('new Worker of no path', () => new Worker('x'));
await see('new Worker with a wrong option', () => new Worker('1', { eval: true, execArgv: ['--expose-gc'] }));
await see('new Worker with options that are none', () => new Worker('1', { eval: true, execArgv: 'x' }));
for (const execArgv of [[], ['--no-warnings']])
  await see(`a worker from text with ${execArgv.length} options`, () => {
    class Own extends Worker {}
    const code = `
      const { parentPort, workerData, isMainThread } = require('node:worker_threads');
      const { exports } = new WebAssembly.Instance(workerData, { host: { log() {}, fail() {} } });
      parentPort.postMessage([process.execArgv, process.argv.length, isMainThread, Object.keys(exports), __filename]);`;
    const worker = new Own(code, { eval: true, execArgv, workerData: module, argv: ['x'] });
    const seen = [worker instanceof Own, worker instanceof Worker, worker.constructor === Own];
    return new Promise((resolve, reject) =>
      worker.once('message', (message) => resolve([seen, message])).once('error', reject),
    );
  });
if ('promising' in WebAssembly)
  await see('JSPI', async () => {
    const { promising, Suspending } = WebAssembly;
    const later = new Suspending(async (value) => log.push(value));
    const { exports } = new WebAssembly.Instance(module, { host: { ...imports.host, log: later } });
    const call = promising(exports.recurse);
    const promise = call(2);
    return [
      call.name,
      call.length,
      inspect(call),
      promise instanceof Promise,
      await promise,
      shape(promising),
    ];
  });
await see('node:wasi', async () => {
  const { WASI } = await import('node:wasi');
  const wasi = new WASI({ version: 'preview1', args: ['a'] });
  const command = readFileSync(`${folder}/command.wasm`);
  const made = await WebAssembly.instantiate(command, wasi.getImportObject());
  const code = wasi.start(made.instance);
  return [code, Object.keys(made.instance.exports)];
});
await see('an ESM import', async () => {
  const namespace = await import(`${folder}/esm.mjs`);
  return [Object.keys(namespace.all), namespace.all.add(1, 2)];
});
console.log(JSON.stringify(said, (_, value) => (typeof value === 'undefined' ? 'undefined' : value), 1));
process.exit();
