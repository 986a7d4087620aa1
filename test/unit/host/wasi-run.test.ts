// WASI programs under runWasi, without any patch: each in a process of its own, as under `wgraft run`.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { prepare } from '../../../src/prepare/index.ts';
import { compileC } from '../../support/compile-c.ts';
import { runToEnd, startWasi } from '../../support/wasi-process.ts';
import { wat } from '../../support/wat.ts';

/** Bound and pace of waiting; the machine may be busy. */
const soon = { timeout: 30_000, interval: 5 };

async function program(body: string, includes = ''): Promise<Uint8Array> {
  const source = `#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n${includes}\n${body}`;
  return (await prepare(await compileC(source))).bytes;
}

const cat = `int main(void) {
  static char block[10007];
  for (size_t n; (n = fread(block, 1, sizeof block, stdin)) > 0;) fwrite(block, 1, n, stdout);
  return ferror(stdin) ? 1 : 0;
}`;

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('a program gets', () => {
  test('its arguments, its environment and nothing else, and gives its exit code', async () => {
    const wasm = await program(`int main(int argc, char **argv) {
      for (int i = 0; i < argc; i++) printf("[%s]", argv[i]);
      printf(" %s %s\\n", getenv("COLOUR"), getenv("PATH") ? "path" : "no path");
      fprintf(stderr, "to stderr\\n");
      return 42;
    }`);
    expect(await runToEnd(wasm, { args: ['app', 'a b', 'ö'], env: { COLOUR: 'green' } })).toEqual({
      exit: { code: 42 },
      stdout: '[app][a b][ö] green no path\n',
      stderr: 'to stderr\n',
    });
  });

  test('its folders', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wgraft-preopen-'));
    await writeFile(join(folder, 'in.txt'), 'from the host');
    const wasm = await program(`int main(void) {
      char text[64] = "";
      FILE *in = fopen("/data/in.txt", "r"), *out = fopen("/data/out.txt", "w");
      if (!in || !out) return 1;
      fgets(text, sizeof text, in);
      fprintf(out, "%s and back", text);
      fclose(out);
      return fopen("/etc/passwd", "r") ? 2 : 0;
    }`);
    expect(await runToEnd(wasm, { preopens: { '/data': folder } })).toMatchObject({ exit: { code: 0 } });
    expect(await readFile(join(folder, 'out.txt'), 'utf8')).toBe('from the host and back');
  });

  test('its exit code also from exit() deep in the stack, with its output flushed', async () => {
    const wasm = await program(`
      __attribute__((noinline)) void leave(int n) { if (n == 0) exit(7); leave(n - 1); puts("never"); }
      int main(void) { printf("bye"); leave(9); return 0; }`);
    expect(await runToEnd(wasm)).toEqual({ exit: { code: 7 }, stdout: 'bye', stderr: '' });
  });

  test('told what it trapped with, and where', async () => {
    const wasm = await program(`
      __attribute__((noinline)) void fall(int n) { if (n > 2) __builtin_trap(); fall(n + 1); puts(""); }
      int main(int argc, char **argv) { fall(argc); return 0; }`);
    const { exit, stderr } = await runToEnd(wasm, { name: 'faller' });
    expect(exit).toMatchObject({
      trap: {
        code: 'WGRAFT_ERR_PROGRAM_TRAPPED',
        message: '"faller" trapped: unreachable',
        details: { program: 'faller', reason: 'unreachable' },
      },
    });
    const { stack } = (exit as { trap: { details: { stack: string[] } } }).trap.details;
    expect(stack.map((line) => /^at (\S+)/.exec(line)?.[1]?.split('.').at(-1))).toEqual([
      'fall',
      'fall',
      'fall',
      'main',
      '__main_void',
      '_start',
    ]);
    expect(stderr).toBe('');
  });
});

describe('standard input', () => {
  const data = randomBytes(3_000_000);

  test('from a pipe: every byte, in order, at the pace of the program', async () => {
    const wasm = await program(cat);
    await using app = await startWasi(wasm, { collect: false });
    app.stdin.end(data);
    const hash = createHash('sha256');
    for await (const chunk of app.stdout) {
      hash.update(chunk as Uint8Array);
      if (Math.random() < 0.05) await delay(1);
    }
    expect(hash.digest('hex')).toBe(sha(data));
    expect(await app.exit).toEqual({ code: 0 });
  });

  test('from a file, where the program may seek', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'wgraft-stdin-')), 'in');
    await writeFile(file, '0123456789');
    const wasm = await program(`int main(void) {
      char text[8] = "";
      fread(text, 1, 3, stdin); fseek(stdin, 7, SEEK_SET); fread(text + 3, 1, 3, stdin);
      puts(text);
      return 0;
    }`);
    await using handle = await open(file);
    expect(await runToEnd(wasm, { stdin: handle.fd })).toMatchObject({
      exit: { code: 0 },
      stdout: '012789\n',
    });
  });

  test('that is empty, or /dev/null', async () => {
    const wasm = await program(
      `int main(void) { int c = getchar(); printf("%d %d", c, feof(stdin)); return 0; }`,
    );
    const nothing = { exit: { code: 0 }, stdout: '-1 1', stderr: '' };
    expect(await runToEnd(wasm, { input: '' })).toEqual(nothing);
    expect(await runToEnd(wasm, { stdin: 'ignore' })).toEqual(nothing);
  });

  test('comes in as many bytes as there are, without waiting for more', async () => {
    const wasm = await program(
      `int main(void) {
        char text[100];
        for (ssize_t n; (n = read(0, text, sizeof text)) > 0;) printf("%d bytes\\n", (int)n), fflush(stdout);
        return 0;
      }`,
      '#include <unistd.h>',
    );
    await using app = await startWasi(wasm);
    app.stdin.write('abc');
    await expect.poll(() => app.output.stdout, soon).toBe('3 bytes\n');
    app.stdin.write('abcde');
    await expect.poll(() => app.output.stdout, soon).toBe('3 bytes\n5 bytes\n');
    app.stdin.end();
    expect(await app.exit).toEqual({ code: 0 });
  });

  test('can be left unread: the program ends all the same', async () => {
    const wasm = await program('int main(void) { return 3; }');
    await using app = await startWasi(wasm);
    app.stdin.write('nobody wants this');
    expect(await app.exit).toEqual({ code: 3 });
  });

  test('non-blocking, where the program asks for that', async () => {
    const wasm = await program(
      `int main(void) {
        char c;
        printf("%d ", fcntl(0, F_GETFL) & O_NONBLOCK ? 1 : 0);
        if (fcntl(0, F_SETFL, O_NONBLOCK)) return 1;
        printf("%d ", fcntl(0, F_GETFL) & O_NONBLOCK ? 1 : 0);
        printf("%d %d\\n", (int)read(0, &c, 1), errno == EAGAIN), fflush(stdout);
        while (read(0, &c, 1) != 1) usleep(1000);
        printf("%c", c);
        return 0;
      }`,
      '#include <unistd.h>\n#include <fcntl.h>\n#include <errno.h>',
    );
    await using app = await startWasi(wasm);
    await expect.poll(() => app.output.stdout, soon).toBe('0 1 -1 1\n');
    app.stdin.write('x');
    expect(await app.exit).toEqual({ code: 0 });
    expect(app.output.stdout).toBe('0 1 -1 1\nx');
  });

  test('closed by the program is closed', async () => {
    const wasm = await program(
      `int main(void) {
        char c;
        if (close(0)) return 1;
        printf("%d %d", (int)read(0, &c, 1), errno == EBADF);
        return 0;
      }`,
      '#include <unistd.h>\n#include <errno.h>',
    );
    expect(await runToEnd(wasm, { input: 'abc' })).toMatchObject({ exit: { code: 0 }, stdout: '-1 1' });
  });

  test('with buffers outside of memory is refused as node:wasi refuses it', async () => {
    const wasm = await program(
      `int main(void) {
        __wasi_iovec_t wild = {(uint8_t *)0xfffffff0u, 100};
        __wasi_size_t n;
        printf("%d ", __wasi_fd_read(0, &wild, 1, &n));
        printf("%d ", __wasi_fd_read(0, (void *)0xfffffff0u, 1, &n));
        wild.buf_len = 0, wild.buf = (uint8_t *)&n;
        printf("%d %d ", __wasi_fd_read(0, &wild, 1, &n), (int)n);
        printf("%d", __wasi_fd_read(99, &wild, 1, &n));
        return 0;
      }`,
      '#include <wasi/api.h>',
    );
    expect(await runToEnd(wasm, { input: 'abc' })).toMatchObject({ stdout: '61 61 0 0 8' });
  });
});

describe('poll_oneoff', () => {
  const events = `
    static __wasi_subscription_t in[4];
    static __wasi_event_t out[4];
    static void want_clock(int i, int id, unsigned long long ns, int flags) {
      in[i] = (__wasi_subscription_t){.userdata = 100 + i};
      in[i].u.tag = __WASI_EVENTTYPE_CLOCK;
      in[i].u.u.clock.id = id ? __WASI_CLOCKID_MONOTONIC : __WASI_CLOCKID_REALTIME;
      in[i].u.u.clock.timeout = ns, in[i].u.u.clock.flags = flags;
    }
    static void want_fd(int i, int tag, int fd) {
      in[i] = (__wasi_subscription_t){.userdata = 200 + i};
      in[i].u.tag = tag;
      in[i].u.u.fd_read.file_descriptor = fd;
    }
    static unsigned long long now(int id) { __wasi_timestamp_t t; __wasi_clock_time_get(id, 1, &t); return t; }
    static void poll_and_print(int n) {
      __wasi_size_t count = 0;
      memset(out, 0xff, sizeof out);
      int error = __wasi_poll_oneoff(in, out, n, &count);
      printf("errno %d:", error);
      for (int i = 0; !error && i < (int)count; i++)
        printf(" [%d error %d type %d bytes %d flags %d]", (int)out[i].userdata, out[i].error, out[i].type,
               (int)out[i].fd_readwrite.nbytes, out[i].fd_readwrite.flags);
      printf("\\n"), fflush(stdout);
    }`;

  test('waits for input, for a clock, and for whichever comes first', async () => {
    const wasm = await program(
      `${events}
      int main(void) {
        char text[8];
        want_fd(0, __WASI_EVENTTYPE_FD_READ, 0), want_clock(1, 1, 30 * 1000000ull, 0);
        unsigned long long start = now(1);
        poll_and_print(2);
        if (now(1) - start < 30 * 1000000ull) return 1;
        want_clock(1, 1, 600 * 1000000000ull, 0);
        poll_and_print(2);
        read(0, text, 5);
        poll_and_print(2);
        want_fd(0, __WASI_EVENTTYPE_FD_READ, 0), want_fd(1, __WASI_EVENTTYPE_FD_READ, 0);
        poll_and_print(2);
        return 0;
      }`,
      '#include <wasi/api.h>\n#include <unistd.h>',
    );
    await using app = await startWasi(wasm);
    await expect.poll(() => app.output.stdout, soon).toBe('errno 0: [101 error 0 type 0 bytes 0 flags 0]\n');
    app.stdin.write('hello');
    await expect
      .poll(() => app.output.stdout.split('\n')[1], soon)
      .toBe('errno 0: [200 error 0 type 1 bytes 5 flags 0]');
    app.stdin.end();
    expect(await app.exit).toEqual({ code: 0 });
    expect(app.output.stdout.split('\n').slice(2)).toEqual([
      'errno 0: [200 error 0 type 1 bytes 0 flags 1]',
      'errno 0: [200 error 0 type 1 bytes 0 flags 1] [201 error 0 type 1 bytes 0 flags 1]',
      '',
    ]);
  });

  test('knows points in time on both clocks, none of them early', async () => {
    const wasm = await program(
      `${events}
      int main(void) {
        for (int id = 0; id < 2; id++) {
          unsigned long long until = now(id) + 20 * 1000000ull;
          want_clock(0, id, until, __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME);
          poll_and_print(1);
          printf("%s %s\\n", now(id) >= until ? "not early" : "early", now(id) < until + 10000000000ull ? "" : "late");
        }
        want_clock(0, 1, 0, 0), want_clock(1, 1, 600 * 1000000000ull, 0), want_clock(2, 1, 0, 0);
        poll_and_print(3);
        return 0;
      }`,
      '#include <wasi/api.h>',
    );
    const clock = 'errno 0: [100 error 0 type 0 bytes 0 flags 0]\nnot early \n';
    expect(await runToEnd(wasm)).toEqual({
      exit: { code: 0 },
      stdout: `${clock}${clock}errno 0: [100 error 0 type 0 bytes 0 flags 0] [102 error 0 type 0 bytes 0 flags 0]\n`,
      stderr: '',
    });
  });

  test('asks node:wasi about other descriptors, together with the input', async () => {
    const wasm = await program(
      `${events}
      int main(void) {
        want_fd(0, __WASI_EVENTTYPE_FD_READ, 0), want_fd(1, __WASI_EVENTTYPE_FD_WRITE, 1);
        want_fd(2, __WASI_EVENTTYPE_FD_READ, 77);
        char before[sizeof in];
        memcpy(before, in, sizeof in);
        poll_and_print(3);
        printf("%s\\n", memcmp(before, in, sizeof in) ? "array changed" : "array as before");
        poll_and_print(0);
        return 0;
      }`,
      '#include <wasi/api.h>',
    );
    const { stdout } = await runToEnd(wasm, { input: '' });
    const [mixed, array, none] = stdout.split('\n');
    expect(mixed).toMatch(/^errno 0: .*\[201 error 0 type 2 |^errno 0: .*\[202 error 8 type 1 /);
    expect([array, none]).toEqual(['array as before', 'errno 28:']);
  });
});

describe('standard output', () => {
  test('to a reader that comes late: nothing is lost, and meanwhile the program can be asked', async () => {
    const wasm = await program(`int main(void) {
      for (int i = 0; i < 200000; i++) if (printf("line %d\\n", i) < 0) return 1;
      return 0;
    }`);
    await using app = await startWasi(wasm, { collect: false, name: 'writer' });
    await app.started;
    await delay(100); // long enough to fill the pipe; what follows holds at any speed
    expect((await app.operations.status()).programs).toMatchObject([{ name: 'writer' }]);
    const chunks: Buffer[] = [];
    for await (const chunk of app.stdout) chunks.push(chunk as Buffer);
    const lines = Buffer.concat(chunks).toString().split('\n');
    expect(lines.length).toBe(200_001);
    expect(lines.every((line, i) => line === (i === 200_000 ? '' : `line ${i}`))).toBe(true);
    expect(await app.exit).toEqual({ code: 0 });
  });

  test('to a reader that never comes does not keep the program from being ended', async () => {
    const wasm = await program('int main(void) { for (;;) puts("more and more"); }');
    await using app = await startWasi(wasm, { collect: false, name: 'writer' });
    await app.started;
    await delay(100);
    await app.terminate();
    app.stdout.resume();
    expect(await app.exit).toMatchObject({ trap: { message: '"writer" has ended: it was terminated' } });
  });

  test('to a reader that has gone is an error for the program, not its end', async () => {
    const wasm = await program(`int main(void) {
      getchar();
      return puts("anyone?") < 0 || fflush(stdout) != 0 ? 9 : 0;
    }`);
    await using app = await startWasi(wasm, { collect: false });
    app.stdout.destroy();
    await new Promise((resolve) => app.stdout.once('close', resolve));
    app.stdin.end('x');
    expect(await app.exit).toEqual({ code: 9 });
  });
});

describe('refused before anything of it runs:', () => {
  const prepared = async (text: string): Promise<Uint8Array> =>
    (await prepare(wat(text), { slots: 'all' })).bytes;
  const refusal = async (wasm: Uint8Array, options = {}): Promise<unknown> => {
    const { exit, stdout, stderr } = await runToEnd(wasm, { name: 'app', ...options });
    expect([stdout, stderr]).toEqual(['', '']);
    return exit;
  };

  test('a module without _start, a library, one without memory', async () => {
    const command = (text: string): Promise<Uint8Array> => prepared(`(module ${text})`);
    const not = (reason: string): object => ({
      refused: { code: 'WGRAFT_ERR_NOT_A_COMMAND', details: { program: 'app', reason } },
    });
    const memory = '(memory (export "memory") 1)';
    const start = '(func (export "_start"))';
    expect(await refusal(await command(`${memory} (func (export "add"))`))).toMatchObject(
      not('it exports no function "_start"'),
    );
    expect(await refusal(await command(`${memory} ${start} (func (export "_initialize"))`))).toMatchObject(
      not('it exports "_initialize", as libraries (WASI reactors) do'),
    );
    expect(await refusal(await command(start))).toMatchObject(not('it exports no memory called "memory"'));
  });

  test('imports that nobody gives, by their names', async () => {
    const wasm = await prepared(`(module
      (import "env" "limit" (global i32))
      (import "env" "now" (func))
      (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "toString" (func))
      (import "wasi_unstable" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (func (export "_start")))`);
    expect(await refusal(wasm)).toMatchObject({
      refused: {
        code: 'WGRAFT_ERR_IMPORTS_UNKNOWN',
        details: {
          program: 'app',
          imports: [
            'env.limit (global)',
            'env.now (function)',
            'wasi_snapshot_preview1.toString (function)',
            'wasi_unstable.fd_read (function)',
          ],
        },
      },
    });
  });

  test('a module that traps before it can start', async () => {
    const wasm = await prepared(`(module
      (memory (export "memory") 1) (func (export "_start"))
      (func $boom unreachable) (start $boom))`);
    expect(await refusal(wasm)).toMatchObject({
      refused: { code: 'WGRAFT_ERR_PROGRAM_TRAPPED', message: '"app" trapped: unreachable' },
    });
  });

  test('garbage, a module that was not prepared, a folder that is not there', async () => {
    expect(await refusal(new Uint8Array([1, 2, 3]))).toMatchObject({
      refused: { code: 'WGRAFT_ERR_WASM_INVALID', details: { what: 'app' } },
    });
    const unprepared = wat('(module (memory (export "memory") 1) (func (export "_start")))');
    expect(await refusal(unprepared)).toMatchObject({ refused: { code: 'WGRAFT_ERR_NOT_PREPARED' } });
    const fine = await prepared('(module (memory (export "memory") 1) (func (export "_start")))');
    expect(await refusal(fine, { preopens: { '/data': '/nowhere/at/all' } })).toMatchObject({
      refused: {
        code: 'WGRAFT_ERR_PREOPEN',
        message: 'cannot give the program /nowhere/at/all as /data: it does not exist',
      },
    });
    const loop = join(await mkdtemp(join(tmpdir(), 'wgraft-')), 'loop');
    await symlink(loop, loop);
    expect(await refusal(fine, { preopens: { '/data': loop } })).toMatchObject({
      refused: { details: { reason: 'its symbolic links go round in a circle' } },
    });
  });
});
