// The inventory of wasm-fixtures: C on a stock libc (scanf, printf, malloc), which the demo patches as a command. Here it is a
// library, and the host hands it one request after the other.

import { compileCFile } from '../compile-c.ts';
import { digest, numbers } from './digest.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const inventory: Workload = {
  name: 'inventory',
  traits: ['c', 'wasi', 'libc'],
  start,
  named: start,
};

interface Exports {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  malloc(size: number): number;
  handle(line: number): void;
  fflush(stream: number): number;
}

const flags = [
  '-mexec-model=reactor',
  ...['handle', 'malloc', 'fflush'].map((name) => `-Wl,--export=${name}`),
];
const names = Array.from({ length: 40 }, (_, i) => `item-${(i * 7919) % 1009}`);
const lineSize = 128;

async function start(loader: Loader): Promise<Running> {
  const bytes = new Uint8Array(await compileCFile('wasm-fixtures/inventory/v1.c', { flags }));
  const replies: string[] = [];
  const wasi = {
    fd_write: (_fd: number, vectors: number, count: number, written: number): number => {
      const view = new DataView(program.memory.buffer);
      let total = 0;
      for (let i = 0; i < count; i++) {
        const [from, size] = [
          view.getUint32(vectors + i * 8, true),
          view.getUint32(vectors + i * 8 + 4, true),
        ];
        replies.push(Buffer.from(view.buffer, from, size).toString('latin1'));
        total += size;
      }
      view.setUint32(written, total, true);
      return 0;
    },
    fd_close: () => 0,
    fd_seek: () => 0,
    fd_read: () => 0,
    fd_fdstat_get: () => 0,
  };
  const { instance } = await loadThrough(loader, () =>
    WebAssembly.instantiate(bytes, { wasi_snapshot_preview1: wasi }),
  );
  // Its source declares them.
  const program = instance.exports as unknown as Exports;
  program._initialize();
  const line = program.malloc(lineSize);
  const request = (text: string): void => {
    const target = Buffer.from(program.memory.buffer, line, lineSize);
    target[target.write(text, 'latin1')] = 0;
    program.handle(line);
  };
  for (const name of names) request(`ADD ${name} 0`);
  program.fflush(0);
  const work = (scale: number): string => {
    replies.length = 0;
    const random = numbers(7);
    const pick = (): string => names[Math.floor(random() * names.length)] ?? '';
    for (let i = 0; i < Math.ceil(30_000 * scale); i++) {
      const [name, quantity] = [pick(), Math.floor(random() * 100)];
      request(`ADD ${name} ${quantity}`);
      request(`STOCK ${pick()}`);
      request(`TAKE ${name} ${quantity}`);
      if (i % 10 === 0) request(`TAKE ${name} 1000000`);
    }
    program.fflush(0);
    // A reply begins with the number of its request, which goes on from round to round.
    const said = replies.join('').replaceAll(/^\d+ /gm, '');
    return `${said.split('\n').length - 1} replies, ${digest(said)}`;
  };
  return { work: async (scale = 1) => work(scale) };
}
