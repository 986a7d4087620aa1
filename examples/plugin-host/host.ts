// A plugin host: each tenant has an instance of the same plugin, a patcher and a control socket of its own, so that tenants
// are patched one by one: `wgraft apply fix.wgp acme`. A line on stdin, `TENANT CENTS`, asks that tenant's plugin for a price.

import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { instantiate, listen, Patcher } from '../../src/index.ts';

const [file = '', ...names] = process.argv.slice(2);
const module = await WebAssembly.compile(await readFile(file));
const tenants = new Map<string, (cents: number) => number>();
for (const name of names) {
  const patcher = new Patcher();
  const { instance } = await instantiate(module, {}, { name: 'pricing', patcher });
  await listen({ name }, patcher);
  tenants.set(name, instance.exports['price'] as (cents: number) => number); // plugin.wat declares it
}
console.log(`serving ${names.join(', ')}`);
for await (const line of createInterface(process.stdin)) {
  const [name = '', cents = ''] = line.split(' ');
  console.log(`${name} ${tenants.get(name)?.(Number(cents))}`);
}
process.exit();
