// One small C program, linked in all the ways that leave different symbols and relocations behind.

import { compileC } from './compile-c.ts';

/** Constructor, statics, strings, function pointers in data and code, a thread-local, weak and linker-made symbols. */
export const linkedSource = `
extern int imported(int) __attribute__((import_module("env"), import_name("imp")));
extern int absent __attribute__((weak));
extern char __heap_base, __data_end;
static int counter = 5;
int numbers[4] = {1, 2, 3, 4};
const char *message = "hello";
static const char *names[] = {"one", "two", "three"};
_Thread_local int own = 3;
int zeros[100];
typedef int (*function)(int);
__attribute__((noinline)) static int twice(int x) { return 2 * x + counter; }
__attribute__((noinline)) int thrice(int x) { counter++; return 3 * x; }
function functions[] = {twice, thrice};
__attribute__((constructor)) static void init(void) { counter = imported(3); }
__attribute__((export_name("go"))) int go(int i) {
  if (&absent) i += absent;
  own++;
  return functions[i & 1](i) + twice(i) + imported(names[i][0] + (int)(long)&__heap_base - (int)(long)&__data_end) +
         zeros[i + 7] + message[i] + numbers[i];
}
__attribute__((export_name("get"))) function get(void) { return thrice; }
`;

const library = ['-nostdlib', '-Wl,--no-entry'];

const flags = {
  /** Addresses known, everything relocated. */
  plain: [...library, '-Wl,--emit-relocs'],
  stripped: [...library],
  debug: [...library, '-g', '-Wl,--emit-relocs'],
  shared: [
    ...library,
    '-fPIC',
    '-Wl,-shared,--experimental-pic,--unresolved-symbols=import-dynamic,--emit-relocs',
  ],
  threads: [
    ...library,
    '-matomics',
    '-mbulk-memory',
    '-Wl,--shared-memory,--max-memory=655360,--import-memory,--emit-relocs',
  ],
  memory64: [...library, '--target=wasm64-unknown-unknown', '-Wl,--emit-relocs'],
  object: ['-c'],
} as const;

export type Variant = keyof typeof flags;
export const variants: readonly Variant[] = Object.keys(flags) as Variant[];

export function linkedProgram(variant: Variant): Promise<Uint8Array> {
  return compileC(linkedSource, { flags: flags[variant] });
}
