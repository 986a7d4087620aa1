// Copies a function of the new build with every address in it put right for the running program. Numbers are written in place;
// an address that is known only when the patch is staged comes from a global instead of a constant.

import { WgraftError } from '../../errors.ts';
import {
  copyInstruction,
  type FuncIndex,
  funcType,
  type GlobalIndex,
  type IndexMap,
  numberTypes,
  op,
  Reader,
  skipLocals,
  type ValType,
  Writer,
} from '../../wasm/index.ts';
import type { Build, BuildFunction, Reference } from '../compare/build.ts';
import { instructionsOf } from '../compare/equality.ts';
import type { Address, OpenAddress } from './addresses.ts';

export interface CodeContext {
  readonly build: Build;
  readonly map: IndexMap;
  address(reference: Reference): Address;
  /** What the code adds to the address by itself. */
  base(reference: Reference): number;
  /** How many arguments a call takes that the program does not make: an fentry hook's. Undefined for all others. */
  hookArguments(index: FuncIndex): number | undefined;
  /** The global that holds an address which only staging knows. */
  global(address: OpenAddress): GlobalIndex;
}

const drop = 0x1a;
const i32Sub = 0x6b;

type Placed = ReturnType<typeof instructionsOf>[number];

const stored: Readonly<Record<number, ValType>> = {
  54: 'i32',
  55: 'i64',
  56: 'f32',
  57: 'f64',
  58: 'i32',
  59: 'i32',
  60: 'i64',
  61: 'i64',
  62: 'i64',
  [0xfd000b]: 'v128',
};

/** Instructions whose only operand is an address. */
function isLoad(opcode: number): boolean {
  if (opcode >= 0x28 && opcode <= 0x35) return true;
  return (opcode >= 0xfd0000 && opcode <= 0xfd000a) || opcode === 0xfd005c || opcode === 0xfd005d;
}

/** Lanes are loaded into, and stored from, a vector that stands above the address. */
function isLane(opcode: number): boolean {
  return opcode >= 0xfd0054 && opcode <= 0xfd005b;
}

/** Writes the body: locals, instructions, final `end`. @throws WGRAFT_ERR_SYMBOLS_UNSUITABLE */
export function copyRelocated(context: CodeContext, f: BuildFunction, out: Writer): void {
  new RelocatedCode(context, f).write(out);
}

/** Everything the function's references name, in order: what copying it will ask for. */
export function addressesIn(f: BuildFunction): Reference[] {
  return f.references.filter(holdsAddress);
}

/** GOT entries are globals that hold an address: the linker made them for code that was compiled to be position-independent. */
function holdsAddress({ relocation, symbol }: Reference): boolean {
  const { target } = relocation.type;
  if (target === 'global') return symbol?.kind === 'data' || symbol?.kind === 'func';
  return target === 'memory' || target === 'table-entry';
}

class RelocatedCode {
  readonly #context: CodeContext;
  readonly #f: BuildFunction;
  readonly #bytes: Uint8Array;
  readonly #scratch: ValType[] = [];
  readonly #locals: number;

  constructor(context: CodeContext, f: BuildFunction) {
    this.#context = context;
    this.#f = f;
    this.#bytes = context.build.module.bytes;
    this.#locals = countLocals(context.build, f);
  }

  write(out: Writer): void {
    const { body } = this.#f;
    if (body === undefined) return;
    const code = new Writer(body.end - body.start + 64);
    const addresses = addressesIn(this.#f);
    let next = 0;
    for (const i of instructionsOf(this.#context.build, this.#f)) {
      while ((addresses[next]?.at ?? Number.POSITIVE_INFINITY) < i.at) next += 1;
      const reference = addresses[next];
      if (reference !== undefined && reference.at < i.next) this.#relocated(code, i, reference);
      else this.#copy(code, i);
    }
    this.#writeLocals(out);
    out.raw(code.view());
  }

  #copy(code: Writer, i: Placed): void {
    const dropped = i.opcode === op.call ? this.#context.hookArguments(i.index) : undefined;
    if (dropped !== undefined) {
      for (let k = 0; k < dropped; k += 1) code.u8(drop);
      return;
    }
    copyInstruction(new Reader(this.#bytes, i.at, i.next), code, this.#context.map);
  }

  #relocated(code: Writer, i: Placed, reference: Reference): void {
    const address = this.#context.address(reference);
    const base = this.#context.base(reference);
    if (i.opcode === op.i32Const || i.opcode === op.globalGet) this.#push(code, address, base);
    else if (address.kind === 'number') this.#offset(code, i, address.value);
    else this.#added(code, i, address);
  }

  #push(code: Writer, address: Address, base: number): void {
    if (address.kind === 'number') {
      code.u8(op.i32Const).s32((address.value - base) | 0);
      return;
    }
    code.u8(op.globalGet).u32(this.#context.global(address));
    if (base !== 0) code.u8(op.i32Const).s32(base).u8(i32Sub);
  }

  /** A load or store with another constant offset. */
  #offset(code: Writer, i: Placed, offset: number): void {
    const copy = new Writer(16);
    this.#copy(copy, i);
    const r = new Reader(copy.view());
    if (r.u8() >= 0xfb) r.u32();
    const flags = r.u32();
    if (flags & 0x40) r.u32();
    code.raw(copy.view().subarray(0, r.at)).u32(offset >>> 0);
    r.u32();
    code.raw(copy.view().subarray(r.at));
  }

  /** A load or store whose constant offset becomes an addition: the address stands below the stored value. */
  #added(code: Writer, i: Placed, address: OpenAddress): void {
    const value = isLane(i.opcode) ? 'v128' : stored[i.opcode];
    if (value === undefined && !isLoad(i.opcode))
      unsupported(`instruction 0x${i.opcode.toString(16)} on data that the patch brings`);
    const local = value === undefined ? undefined : this.#scratchLocal(value);
    if (local !== undefined) code.u8(op.localSet).u32(local);
    code.u8(op.globalGet).u32(this.#context.global(address)).u8(op.i32Add);
    if (local !== undefined) code.u8(op.localGet).u32(local);
    this.#offset(code, i, 0);
  }

  #scratchLocal(type: ValType): number {
    const known = this.#scratch.indexOf(type);
    return this.#locals + (known === -1 ? this.#scratch.push(type) - 1 : known);
  }

  #writeLocals(out: Writer): void {
    const { body } = this.#f;
    if (body === undefined) return;
    const r = new Reader(this.#bytes, body.start, body.end);
    const runs = r.u32();
    out.u32(runs + this.#scratch.length).raw(this.#bytes.subarray(r.at, skipLocals(this.#bytes, body)));
    for (const type of this.#scratch) out.u32(1).u8(numberTypes[type] ?? 0x7f);
  }
}

function countLocals(build: Build, f: BuildFunction): number {
  if (f.body === undefined) return 0;
  const r = new Reader(build.module.bytes, f.body.start, f.body.end);
  let count = funcType(build.module, f.index).params.length;
  r.vector('locals', () => {
    count += r.u32();
    r.u8();
  });
  return count;
}

function unsupported(what: string): never {
  throw new WgraftError('WGRAFT_ERR_SYMBOLS_UNSUITABLE', { reason: `${what} cannot be relocated` });
}
