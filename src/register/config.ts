// What the hook is told: by the environment, and by a JSON file, which the environment overrides.
//
//   WGRAFT_REGISTER=off                 the program runs as if the hook were not there
//   WGRAFT_CONFIG=FILE                  default: wgraft.config.json in the working directory, if it is there
//   WGRAFT_NAME, WGRAFT_SLOTS, WGRAFT_CACHE_DIR (`off`: none), WGRAFT_SOCKET_DIR
//   WGRAFT_ONLY, WGRAFT_EXCEPT          names of modules with *, separated by commas

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { reasonOf, WgraftError } from '../errors.ts';

/** Modules that a rule means: all that it says must hold. */
export interface ModuleRule {
  /** As `status` and warnings call it; * stands for any text. */
  readonly name?: string;
  /** SHA-256 of the module as the program loads it, hex; its beginning is enough. */
  readonly sha256?: string;
  readonly minBytes?: number;
  readonly maxBytes?: number;
}

export interface Config {
  readonly enabled: boolean;
  /** What `wgraft ps` calls the process; default: after the script that it runs. */
  readonly name: string | undefined;
  readonly slots: 'all' | 'auto' | 'entry' | undefined;
  /** Undefined: nothing is kept. */
  readonly cache: { readonly folder?: string; readonly limitBytes?: number } | undefined;
  readonly sockets: string | undefined;
  /** Undefined: all modules. */
  readonly only: readonly ModuleRule[] | undefined;
  readonly except: readonly ModuleRule[];
}

type Fields = Readonly<Record<string, unknown>>;

const usualFile = 'wgraft.config.json';
const keys = ['enabled', 'name', 'slots', 'cache', 'cacheLimitBytes', 'sockets', 'only', 'except'];

/** @throws WGRAFT_ERR_CONFIG_INVALID */
export function readConfig(env: NodeJS.ProcessEnv, cwd: string): Config {
  const given = env['WGRAFT_CONFIG'] || undefined;
  const file = path.resolve(cwd, given ?? usualFile);
  const fields = given === undefined && !existsSync(file) ? {} : readFields(file);
  const check = new Check(file, fields);
  const fromFile = check.config();
  const names = (variable: string): ModuleRule[] | undefined =>
    env[variable]?.split(',').flatMap((name) => (name.trim() === '' ? [] : [{ name: name.trim() }]));
  // The usual folders, too, are looked up now: a program may empty its environment before it loads a module (esbuild does).
  const usual = fromFile.cache?.folder === undefined ? within(env['XDG_CACHE_HOME']) : undefined;
  const folder = env['WGRAFT_CACHE_DIR'] || (fromFile.cache && usual);
  return {
    enabled: isOff(env['WGRAFT_REGISTER']) ? false : fromFile.enabled,
    name: env['WGRAFT_NAME'] || fromFile.name,
    slots: new Check('WGRAFT_SLOTS', { slots: env['WGRAFT_SLOTS'] || undefined }).slots() ?? fromFile.slots,
    cache: folder === undefined ? fromFile.cache : isOff(folder) ? undefined : { ...fromFile.cache, folder },
    sockets: env['WGRAFT_SOCKET_DIR'] || fromFile.sockets || within(env['XDG_RUNTIME_DIR']),
    only: names('WGRAFT_ONLY') ?? fromFile.only,
    except: names('WGRAFT_EXCEPT') ?? fromFile.except,
  };
}

/** Our folder in one of the user's. */
function within(folder: string | undefined): string | undefined {
  return folder ? path.join(folder, 'wgraft') : undefined;
}

function isOff(value: string | undefined): boolean {
  return value === 'off' || value === '0' || value === 'false';
}

function readFields(file: string): Fields {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw invalid(file, reasonOf(cause), cause);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (isFields(value)) return value;
  } catch (cause) {
    throw invalid(file, `it is not JSON: ${reasonOf(cause)}`, cause);
  }
  throw invalid(file, 'it must hold one object');
}

/** The fields of one object, each checked when it is taken. */
class Check {
  readonly #file: string;
  readonly #fields: Fields;

  constructor(file: string, fields: Fields) {
    this.#file = file;
    this.#fields = fields;
  }

  config(): Config {
    // Nobody may believe that signatures are looked at.
    if (this.#fields['trustedKeys'] !== undefined)
      throw invalid(this.#file, '"trustedKeys" is reserved: this version checks no signatures');
    this.#known(keys);
    const text = (key: string): string | undefined => this.#take(key, isText, 'a text');
    const folder = (key: string): string | undefined => {
      const given = text(key);
      return given && path.resolve(path.dirname(this.#file), given);
    };
    const off = this.#fields['cache'] === false;
    const cache = off ? undefined : folder('cache');
    const limitBytes = this.#take('cacheLimitBytes', isSize, 'a number of bytes');
    return {
      enabled: this.#take('enabled', isBoolean, 'true or false') ?? true,
      name: text('name'),
      slots: this.slots(),
      cache: off
        ? undefined
        : {
            ...(cache === undefined ? {} : { folder: cache }),
            ...(limitBytes === undefined ? {} : { limitBytes }),
          },
      sockets: folder('sockets'),
      only: this.#rules('only'),
      except: this.#rules('except') ?? [],
    };
  }

  slots(): Config['slots'] {
    const isPolicy = (v: unknown): v is Config['slots'] => v === 'all' || v === 'auto' || v === 'entry';
    return this.#take('slots', isPolicy, '"all", "auto" or "entry"');
  }

  #rules(key: string): ModuleRule[] | undefined {
    const given = this.#take(key, Array.isArray, 'a list');
    return given?.map((rule: unknown) => {
      if (isText(rule)) return { name: rule };
      if (!isFields(rule)) throw invalid(this.#file, `"${key}" holds names and objects`);
      const check = new Check(this.#file, rule);
      check.#known(['name', 'sha256', 'minBytes', 'maxBytes']);
      check.#take('name', isText, 'a text');
      check.#take('sha256', isHash, 'at least 8 hex digits, in lower case');
      check.#take('minBytes', isSize, 'a number of bytes');
      check.#take('maxBytes', isSize, 'a number of bytes');
      return rule as ModuleRule; // all of its fields have been looked at
    });
  }

  #known(known: readonly string[]): void {
    const unknown = Object.keys(this.#fields).find((key) => !known.includes(key));
    if (unknown !== undefined) throw invalid(this.#file, `"${unknown}" is not one of ${known.join(', ')}`);
  }

  #take<T>(key: string, is: (value: unknown) => value is T, what: string): T | undefined {
    const value = this.#fields[key];
    if (value === undefined || is(value)) return value;
    throw invalid(this.#file, `"${key}" must be ${what}`);
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}
function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{8,64}$/.test(value);
}
function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(file: string, reason: string, cause?: unknown): WgraftError {
  return new WgraftError('WGRAFT_ERR_CONFIG_INVALID', { file, reason }, { cause });
}
