// node transition-server.ts CYCLES: one process of the transition bench. An HTTP server answers each request by a call of a prepared
// module, under load from a thread of its own. Phases take turns: nothing happens, or a patch comes and goes every few
// milliseconds, CYCLES times in all.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { buildPatch } from '../src/build/index.ts';
import { instantiate, Patcher } from '../src/index.ts';
import { prepare } from '../src/prepare/index.ts';
import { wat } from '../test/support/wat.ts';
import type { Load } from './transition-client.ts';

export interface ServerSamples extends Load {
  readonly cycles: number;
}

/** Each request is some work: 16 calls of what is patched, each over 4 KiB. */
const mix = (body: string): string => `(func $mix (export "mix") (param $seed i32) (result i32) (local $i i32)
  (local.set $i (i32.const 4096))
  (loop $next
    (local.set $i (i32.sub (local.get $i) (i32.const 1)))
    (local.set $seed ${body})
    (br_if $next (local.get $i)))
  (local.get $seed))`;
const kernel = `(module
  ${mix('(i32.add (i32.mul (local.get $seed) (i32.const 31)) (local.get $i))')}
  (func (export "handle") (param $seed i32) (result i32) (local $n i32)
    (local.set $n (i32.const 16))
    (loop $next
      (local.set $seed (call $mix (local.get $seed)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $seed)))`;
/** The same, written the other way round. */
const patched = `(module ${mix('(i32.add (local.get $i) (i32.mul (i32.const 31) (local.get $seed)))')})`;

/** The patch comes or goes so often. */
const pauseMs = 5;
const phases = 20;

async function measure(cycles: number): Promise<ServerSamples> {
  const { bytes } = await prepare(wat(kernel), { slots: 'all' });
  const source = { kind: 'wat', text: patched, file: 'mix.wat' } as const;
  const patch = (
    await buildPatch({ target: bytes, name: 'mix', replacements: [{ function: 'mix', source }] })
  ).bytes;
  const patcher = new Patcher();
  const { instance } = await instantiate(bytes, {}, { patcher });
  const handle = instance.exports['handle'];
  if (typeof handle !== 'function') throw new Error('no handler');
  const server = createServer((request, response) => {
    const seed = Number(request.url?.slice(1));
    response.end(String(handle(seed)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const expected = Array.from({ length: 100 }, (_, seed) => String(handle(seed)));
  const client = new Worker(new URL('transition-client.ts', import.meta.url), {
    workerData: { port, expected },
  });
  await next(client); // it is warm

  for (let phase = 0; phase < phases; phase += 1) {
    client.postMessage('patching');
    const began = performance.now();
    for (let i = 0; i < cycles / phases; i += 1) {
      await patcher.apply(patch);
      await sleep(pauseMs);
      await patcher.revert();
      await sleep(pauseMs);
    }
    client.postMessage('quiet'); // for as long
    await sleep(performance.now() - began);
  }
  client.postMessage('end');
  const load = (await next(client)) as Load;
  await client.terminate();
  server.closeAllConnections();
  server.close();
  return { ...load, cycles: Math.ceil(cycles / phases) * phases };
}

function next(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

process.stdout.write(JSON.stringify(await measure(Number(process.argv[2]))));
