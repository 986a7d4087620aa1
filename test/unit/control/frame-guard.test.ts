import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameGuard } from '../../../src/control/frame-guard.ts';

const limit = 1000;

/** Sends chunks through a guard: all that comes out, and the error if there is one. */
async function through(chunks: readonly Uint8Array[]): Promise<{ out: string; error?: string }> {
  const guard = new FrameGuard(limit);
  const parts: Buffer[] = [];
  guard.on('data', (part: Buffer) => parts.push(part));
  const error = await new Promise<Error | undefined>((resolve) => {
    guard.on('error', resolve);
    guard.on('end', () => resolve(undefined));
    for (const chunk of chunks) guard.write(chunk);
    guard.end();
  });
  const out = Buffer.concat(parts).toString('latin1');
  return error === undefined ? { out } : { out, error: error.message };
}

const frame = (body: string): string => `Content-Length: ${body.length}\r\n\r\n${body}`;

describe('the frame guard', () => {
  test('passes frames on unchanged, however they are cut', async () => {
    const bodies = fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: limit }), {
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(
        bodies,
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        async (texts, cuts) => {
          const bytes = Buffer.from(texts.map(frame).join(''), 'latin1');
          const chunks: Buffer[] = [];
          for (let at = 0, i = 0; at < bytes.length; i += 1) {
            const size = cuts[i % cuts.length] ?? 1;
            chunks.push(bytes.subarray(at, at + size));
            at += size;
          }
          expect(await through(chunks)).toEqual({ out: bytes.toString('latin1') });
        },
      ),
      { numRuns: 50 },
    );
  });

  test('takes other headers beside the length', async () => {
    const text = 'Content-Type: application/json\r\nCONTENT-LENGTH:2\r\n\r\n{}';
    expect(await through([Buffer.from(text)])).toEqual({ out: text });
  });

  test.each([
    [
      'a length above the limit',
      `Content-Length: ${limit + 1}\r\n\r\n`,
      'a frame of 1001 bytes, the limit is 1000',
    ],
    [
      'a huge length',
      'Content-Length: 999999999999\r\n\r\n',
      'a frame of 999999999999 bytes, the limit is 1000',
    ],
    [
      'a length with too many digits',
      'Content-Length: 9999999999999\r\n\r\n',
      'a frame without a Content-Length',
    ],
    ['a negative length', 'Content-Length: -1\r\n\r\n', 'a frame without a Content-Length'],
    ['no length', 'Content-Length: 0\r\n\r\n', 'a frame without a Content-Length'],
    ['a length that is no number', 'Content-Length: two\r\n\r\n', 'a frame without a Content-Length'],
    ['two lengths', 'Content-Length: 1\r\nContent-Length: 2\r\n\r\n', 'a frame without a Content-Length'],
    ['another protocol', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'a frame without a Content-Length'],
    ['a header without an end', 'x'.repeat(1100), 'no frame header'],
  ])('refuses %s', async (_, text, message) => {
    for (const chunks of [[Buffer.from(text)], [...text].map((c) => Buffer.from(c))]) {
      expect(await through(chunks)).toEqual({ out: '', error: `control protocol: ${message}` });
    }
  });

  test('refuses any garbage or passes it as frames, and never hangs', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 5 }), async (chunks) => {
        const { error } = await through(chunks);
        const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        if (total >= 1100) expect(error).toMatch(/^control protocol: /);
      }),
      { numRuns: 50 },
    );
  });

  test('lets half a frame end quietly', async () => {
    const half = frame('12345678').slice(0, -3);
    expect(await through([Buffer.from(half)])).toEqual({ out: half });
  });
});
