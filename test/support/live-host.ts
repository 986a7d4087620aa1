// A Node program of somebody else's that embeds wgraft: instances of a prepared module and a control socket.
// Arguments: the prepared module, a name, how many instances. A line on stdin: `answer` prints what each instance's
// export `answer` says, `block MS` keeps the event loop busy, `end` closes the socket and ends.

import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { instantiate, listen } from '../../src/index.ts';

const [file = '', name = '', count = '1'] = process.argv.slice(2);
const bytes = await readFile(file);
const imports = {
  wasi_snapshot_preview1: { fd_read: () => 0, fd_write: () => 0, proc_exit: () => {} },
};
const instances: WebAssembly.Instance[] = [];
for (let i = 0; i < Number(count); i += 1) {
  instances.push((await instantiate(bytes, imports, { name })).instance);
}
const control = await listen({ name });
console.log('ready');
for await (const line of createInterface(process.stdin)) {
  const [word, argument] = line.split(' ');
  if (word === 'answer') console.log(`answers ${instances.map(answer).join(' ')}`);
  if (word === 'block') block(Number(argument));
  if (word === 'end') break;
}
await control.close();
// The test still holds the other end.
process.stdin.destroy();

function answer(instance: WebAssembly.Instance): unknown {
  const exported = instance.exports['answer'];
  return typeof exported === 'function' ? exported() : undefined;
}

function block(ms: number): void {
  console.log('blocking');
  const end = performance.now() + ms;
  while (performance.now() < end);
}
