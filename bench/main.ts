// npm run bench -- [BENCH...] [--only NAME,...] [--node 26,24,22] [--processes N] [--rounds N] [--json FILE]
// Prints the figures that the docs quote, with the engines and the machine they were measured on.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { attention } from './attention.ts';
import type { Bench, Row } from './bench.ts';
import { costs } from './costs.ts';
import { releases } from './engines.ts';
import { firstCall } from './first-call.ts';
import { growth } from './growth.ts';
import { machineCode } from './machine-code.ts';
import { redirect } from './redirect.ts';
import { slowdown } from './slowdown.ts';
import { startup } from './startup.ts';
import { transition } from './transition.ts';

const benches: readonly Bench[] = [
  slowdown,
  startup,
  costs,
  redirect,
  firstCall,
  transition,
  attention,
  growth,
  machineCode,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: '' },
    node: { type: 'string', default: releases.join(',') },
    processes: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '20' },
    json: { type: 'string' },
  },
});
const chosen = positionals.length === 0 ? benches : benches.filter(({ name }) => positionals.includes(name));
if (chosen.length === 0) {
  console.error(`no bench "${positionals}"; there are ${benches.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const wanted = values.node.split(',');
const options = {
  only: values.only.split(',').filter(Boolean),
  nodes: releases.filter((release) => wanted.includes(String(release))),
  processes: Number(values.processes),
  rounds: Number(values.rounds),
};

const date = new Date().toISOString().slice(0, 10);
const load = loadavg()[0]?.toFixed(1);
const machine = `${date}, ${processor()}, ${cpus().length} cores, load ${load} at the start`;
console.log(machine);
const results: Record<string, readonly Row[]> = {};
for (const bench of chosen) {
  const rows: Row[] = [];
  results[bench.name] = rows;
  for await (const row of bench.run(options)) {
    rows.push(row);
    if (process.stderr.isTTY) process.stderr.write(`\r${bench.name}: ${rows.length} rows\r`);
    // A run takes long: what is measured is kept.
    if (values.json !== undefined)
      writeFileSync(values.json, `${JSON.stringify({ machine, results }, null, 1)}\n`);
  }
  print(bench, rows);
}

/** With family and model, where Linux tells: virtual machines are often called no more than `AMD EPYC`. */
function processor(): string {
  const name = cpus()[0]?.model ?? 'unknown CPU';
  const known = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  const [, family, model] = /^cpu family\s*: (\d+)\nmodel\s*: (\d+)$/m.exec(known) ?? [];
  return family === undefined ? name : `${name} (family ${family}, model ${model})`;
}

function print(bench: Bench, rows: readonly Row[]): void {
  const table = new Table({ head: [...bench.columns], style: { head: [], border: [] } });
  for (const row of rows) table.push(bench.columns.map((column) => row[column] ?? ''));
  console.log(`\n${bench.name}: ${bench.shows}\n${table}`);
}
