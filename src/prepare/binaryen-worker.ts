// The thread in which binaryen works: its memory grows to twenty times the module and is given back only when the
// thread ends. It reads a module that has its additions already, puts a guard around each function that is to have one
// (docs/architecture.md, section 1) and writes the module.

import { parentPort, workerData } from 'node:worker_threads';
import { binaryenFeatures } from '../wasm/index.ts';
import type { GuardJob, GuardReply } from './binaryen-protocol.ts';

type Pointer = number;
type Type = number;

/** What is used of a binaryen module; binaryen's own declarations do not match its run time. */
interface BinaryenModule {
  getFunctionByIndex(index: number): Pointer;
  getGlobalByIndex(index: number): Pointer;
  getNumFunctions(): number;
  block(label: null, children: Pointer[], type: Type): Pointer;
  if(condition: Pointer, then: Pointer, otherwise: Pointer): Pointer;
  return_call(name: string, operands: Pointer[], results: Type): Pointer;
  emitBinary(): Uint8Array;
  readonly global: { get(name: string, type: Type): Pointer; set(name: string, value: Pointer): Pointer };
  readonly local: { get(index: number, type: Type): Pointer };
  readonly i32: { eqz(value: Pointer): Pointer };
}

interface Binaryen {
  readonly Features: Readonly<Record<string, number | undefined>>;
  readonly i32: Type;
  readonly unreachable: Type;
  setDebugInfo(on: boolean): void;
  readBinary(bytes: Uint8Array, features: number): BinaryenModule;
  getExceptionMessage(thrown: unknown): unknown;
  getFunctionInfo(f: Pointer): { readonly name: string; readonly params: Type; readonly results: Type };
  getGlobalInfo(g: Pointer): { readonly name: string };
  expandType(type: Type): Type[];
  readonly Function: { getBody(f: Pointer): Pointer; setBody(f: Pointer, body: Pointer): void };
}

const reply = (message: GuardReply): void => parentPort?.postMessage(message);

/** How many functions between two reports. */
const stride = 2048;

async function work(job: GuardJob): Promise<void> {
  reply({ kind: 'progress', phase: 'loading binaryen' });
  // See BinaryenModule: the declared types and the run time are different things.
  const binaryen = (await import('binaryen')).default as unknown as Binaryen;
  try {
    reply({ kind: 'progress', phase: 'binaryen reads' });
    // Without names in, binaryen would write names of its own making.
    binaryen.setDebugInfo(job.hasNames);
    const m = binaryen.readBinary(job.bytes, binaryenFeatures(binaryen.Features));
    addGuards(binaryen, m, job);
    reply({ kind: 'progress', phase: 'binaryen writes' });
    reply({ kind: 'done', bytes: m.emitBinary() });
  } catch (error) {
    reply({ kind: 'failed', reason: explain(binaryen, error) });
  }
}

function addGuards(binaryen: Binaryen, m: BinaryenModule, job: GuardJob): void {
  const { i32, unreachable } = binaryen;
  const globalName = (index: number): string => binaryen.getGlobalInfo(m.getGlobalByIndex(index)).name;
  const word = globalName(job.word);
  job.functions.forEach((index, slot) => {
    if (slot % stride === 0)
      reply({ kind: 'progress', phase: 'binaryen adds guards', fraction: slot / job.functions.length });
    const f = m.getFunctionByIndex(index);
    const { params, results } = binaryen.getFunctionInfo(f);
    const slotWord = globalName(job.firstSlot + slot);
    const operands = binaryen.expandType(params).map((type, i) => m.local.get(i, type));
    const redirect = binaryen.getFunctionInfo(m.getFunctionByIndex(job.redirects[slot] ?? 0)).name;
    const taken = [
      m.global.set(word, m.global.get(slotWord, i32)),
      m.return_call(redirect, operands, results),
    ];
    const notTaken = m.i32.eqz(m.global.get(slotWord, i32));
    const guarded = m.if(notTaken, binaryen.Function.getBody(f), m.block(null, taken, unreachable));
    binaryen.Function.setBody(f, guarded);
  });
}

/** A failure inside binaryen is a C++ exception, an abort or a trap. */
function explain(binaryen: Binaryen, error: unknown): string {
  if (error instanceof Error) return error.message;
  try {
    return String(binaryen.getExceptionMessage(error)).replace(/^[\w:]+,(Fatal: )?/, '');
  } catch {
    return String(error);
  }
}

// workerData is what binaryen-engine.ts, the only one that starts this thread, has put there.
await work(workerData as GuardJob);
