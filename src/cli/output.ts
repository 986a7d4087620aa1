// What goes where: stdout has the result and nothing else, stderr has notes and errors. With --json stdout has exactly one
// document (a line each with --watch), errors included. Every document has "v": 1; fields are added, never changed.

import { styleText } from 'node:util';
import { WgraftError } from '../errors.ts';

/** Colour only as meaning: red failed, yellow waiting, green done, dim detail. */
export type Meaning = 'failed' | 'waiting' | 'done' | 'detail' | 'heading';

const formats = { failed: 'red', waiting: 'yellow', done: 'green', detail: 'dim', heading: 'bold' } as const;

export interface OutputOptions {
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  /** False: no colour, whatever the terminal and the environment say. */
  color?: boolean;
}

export class Output {
  #json: boolean;
  #quiet = false;
  #verbose = false;
  /** The stream that documents go to; `run` leaves stdout to its program. */
  #documents: NodeJS.WriteStream = process.stdout;

  constructor(options: OutputOptions) {
    this.#json = options.json ?? false;
  }

  configure(options: OutputOptions): void {
    this.#json = options.json ?? this.#json;
    this.#quiet = options.quiet ?? false;
    this.#verbose = options.verbose ?? false;
    if (options.color !== false) return;
    process.env['NO_COLOR'] = '1';
    // It would win over NO_COLOR.
    delete process.env['FORCE_COLOR'];
  }

  get json(): boolean {
    return this.#json;
  }

  get verbose(): boolean {
    return this.#verbose;
  }

  /** Whether a line that rewrites itself can be shown. */
  get live(): boolean {
    return process.stderr.isTTY === true && !this.#quiet && !this.#json;
  }

  documentsToStderr(): void {
    this.#documents = process.stderr;
  }

  /** The result of a command, or one item of a stream: a document with --json, else text, which is built only then. */
  result(document: object, text: () => string): void {
    if (this.#json) this.#document(document);
    else this.text(text());
  }

  text(text: string): void {
    if (text !== '') process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  #document(document: object): void {
    this.#documents.write(`${JSON.stringify({ v: 1, ...document })}\n`);
  }

  /** Something worth knowing that is not the result. */
  note(text: string): void {
    if (!this.#quiet && !this.#json) process.stderr.write(`wgraft: ${text}\n`);
  }

  /** As `note`, and not silenced: what the user must see, also in the logs of a script that reads JSON. */
  warn(text: string): void {
    process.stderr.write(`wgraft: ${text}\n`);
  }

  style(meaning: Meaning, text: string, stream: NodeJS.WriteStream = process.stdout): string {
    return styleText(formats[meaning], text, { stream });
  }

  /** Reports what a command threw. Returns its exit code. */
  fail(thrown: unknown): number {
    const error = WgraftError.is(thrown) ? thrown : undefined;
    const known = error ?? new WgraftError('WGRAFT_ERR_INTERNAL', { what: messageOf(thrown) });
    if (this.#json) this.#document({ error: { ...known.toJSON(), ...moreOf(thrown) } });
    else process.stderr.write(this.#report(known, thrown));
    return known.exitCode;
  }

  #report(error: WgraftError, thrown: unknown): string {
    const detail = (text: string): string => `  ${this.style('detail', text, process.stderr)}\n`;
    const lines = linesOf(thrown).map((line) => `  ${line}\n`);
    const hint = error.hint === undefined ? '' : `  hint: ${error.hint}\n`;
    const showStack = this.#verbose || error.code === 'WGRAFT_ERR_INTERNAL';
    const stack = showStack && thrown instanceof Error ? `${thrown.stack}\n` : '';
    const head = `${this.style('failed', 'wgraft:', process.stderr)} ${error.message}\n`;
    return stack + head + lines.join('') + hint + detail(`code: ${error.code}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** More to say with an error than it says itself: lines for people, fields for programs. */
export interface More {
  readonly lines: readonly string[];
  readonly fields: object;
}

const more = new WeakMap<object, More>();

/** Adds to what is reported of an error, and returns it. */
export function withMore<E extends object>(error: E, added: More): E {
  more.set(error, added);
  return error;
}

function linesOf(error: unknown): readonly string[] {
  return (typeof error === 'object' && error !== null ? more.get(error)?.lines : undefined) ?? [];
}

function moreOf(error: unknown): object {
  return (typeof error === 'object' && error !== null ? more.get(error)?.fields : undefined) ?? {};
}
