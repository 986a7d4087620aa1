// The kinds of objects that programs keep and that a fix of the corpus changes: zlib's deflate streams (drv_live flushes every
// 500 bytes and so never fills the buffers that CVE-2018-25032 is about), expat's parsers (fields move), and jq's objects, which
// are hash tables (CVE-2026-40164 changes the hash).

import { inflateSync } from 'node:zlib';
import type { Calls, LiveKind } from './live-object.ts';

/** `z_stream` of a 32-bit zlib: byte offsets of its fields, and its size. */
const field = { nextIn: 0, availIn: 4, nextOut: 12, availOut: 16, totalOut: 20 };
const streamSize = 56;
const [noFlush, finish, streamEnd] = [0, 4, 1];

const deflateStream: LiveKind = {
  what: 'a deflate stream',
  functions: ['deflateInit2_', 'deflate'],
  begin(program) {
    const source = incompressibleText(400_000);
    const half = source.length / 2;
    const input = program.place(source);
    const output = program.place(2 * source.length);
    const stream = program.place(streamSize);
    const version = program.place(Buffer.from('1.2.11\0'));
    const set = (offset: number, value: number): void =>
      program.view(stream, streamSize).setUint32(offset, value, true);
    const feed = (from: number, to: number, flush: number): number => {
      set(field.nextIn, input + from);
      set(field.availIn, to - from);
      return program.call('deflate', stream, flush);
    };
    program.call('deflateInit2_', stream, 6, 8, 15, 8, 0, version, streamSize);
    set(field.nextOut, output);
    set(field.availOut, 2 * source.length);
    feed(0, half, noFlush);
    return () => {
      const status = feed(half, source.length, finish);
      if (status !== streamEnd) return `deflate gave ${status}`;
      const size = program.view(stream, streamSize).getUint32(field.totalOut, true);
      const restored = inflateSync(program.bytes(output, size).slice());
      return restored.equals(source) ? undefined : 'it restores to other bytes';
    };
  },
};

/** Few repetitions, so that the symbol buffer of a block fills up. */
function incompressibleText(size: number): Buffer {
  const text = Buffer.alloc(size);
  let state = 12345;
  for (let i = 0; i < size; i += 1) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    text[i] = (state >>> 24) & 0x3f;
  }
  return text;
}

const expatParser: LiveKind = {
  what: 'an expat parser',
  functions: ['XML_ParserCreate', 'XML_Parse', 'XML_ParserFree'],
  begin(program) {
    const items = Array.from(
      { length: 400 },
      (_, i) => `<item n="${i}" kind='a&amp;b'>text ${i} &own;</item>`,
    );
    const text = Buffer.from(`<!DOCTYPE list [<!ENTITY own "value">]><list>${items.join('')}</list>`);
    // In the middle of a name, so that the parser has to keep what it was given.
    const middle = text.indexOf('item', text.length >> 1) + 2;
    const document = program.place(text);
    const parser = program.call('XML_ParserCreate', 0);
    const parse = (from: number, to: number, last: number): string | undefined => {
      const status = program.call('XML_Parse', parser, document + from, to - from, last);
      return status === 1 ? undefined : `XML_Parse gave ${status}`;
    };
    const begun = parse(0, middle, 0);
    return () => begun ?? parse(middle, text.length, 1) ?? freed(program, parser);
  },
};

function freed(program: Calls, parser: number): undefined {
  program.call('XML_ParserFree', parser);
  return undefined;
}

/** `jv`, which jq passes and returns through memory: its kind in the low 4 bits of the first byte, 0 for invalid. */
const jvSize = 16;

const jqObject: LiveKind = {
  what: 'a jq object',
  functions: ['jv_object', 'jv_string', 'jv_object_set', 'jv_object_get'],
  begin(program) {
    const keys = Array.from({ length: 20 }, (_, i) => program.place(Buffer.from(`key ${i}\0`)));
    const make = (name: string, ...args: readonly number[]): number => {
      const result = program.place(jvSize);
      program.call(name, result, ...args);
      return result;
    };
    const object = keys.reduce(
      (built, key) => make('jv_object_set', built, make('jv_string', key), make('jv_string', key)),
      make('jv_object'),
    );
    return () => {
      const kindOf = (jv: number): number => program.view(jv, jvSize).getUint8(0) & 15;
      // Each look-up frees the object, so all but the last would need a copy; the first key tells enough.
      const [key = 0] = keys;
      return kindOf(make('jv_object_get', object, make('jv_string', key))) === 0
        ? 'a key that is in it is not found'
        : undefined;
    };
  },
};

export const liveKinds: readonly LiveKind[] = [deflateStream, expatParser, jqObject];
