import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { WgraftError } from '../../../src/errors.ts';
import { readConfig } from '../../../src/register/config.ts';
import { whyLeft } from '../../../src/register/selection.ts';

const folder = mkdtempSync(join(tmpdir(), 'wgraft-config-'));
const file = join(folder, 'wgraft.config.json');
const write = (content: unknown): void =>
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
const read = (env: NodeJS.ProcessEnv = {}): ReturnType<typeof readConfig> => readConfig(env, folder);
beforeEach(() => rmSync(file, { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const nothing = {
  enabled: true,
  name: undefined,
  slots: undefined,
  cache: {},
  sockets: undefined,
  only: undefined,
  except: [],
};

describe('configuration', () => {
  test('is not needed', () => {
    expect(read()).toEqual(nothing);
  });

  test('comes from the file, whose folders are relative to it', () => {
    write({
      name: 'api',
      slots: 'all',
      cache: 'c',
      cacheLimitBytes: 5,
      sockets: '/run/s',
      only: ['sql.js', { sha256: '0123abcd', minBytes: 1, maxBytes: 9 }],
      except: ['a*'],
    });
    expect(read()).toEqual({
      enabled: true,
      name: 'api',
      slots: 'all',
      cache: { folder: join(folder, 'c'), limitBytes: 5 },
      sockets: '/run/s',
      only: [{ name: 'sql.js' }, { sha256: '0123abcd', minBytes: 1, maxBytes: 9 }],
      except: [{ name: 'a*' }],
    });
  });

  test('comes from the environment first', () => {
    write({ name: 'api', slots: 'all', cache: false, only: ['sql.js'] });
    expect(read().cache).toBeUndefined();
    const env = {
      WGRAFT_NAME: 'web',
      WGRAFT_SLOTS: 'entry',
      WGRAFT_CACHE_DIR: '/c',
      WGRAFT_SOCKET_DIR: '/s',
      WGRAFT_ONLY: 'x, y*',
      WGRAFT_EXCEPT: 'z',
    };
    expect(read(env)).toEqual({
      enabled: true,
      name: 'web',
      slots: 'entry',
      cache: { folder: '/c' },
      sockets: '/s',
      only: [{ name: 'x' }, { name: 'y*' }],
      except: [{ name: 'z' }],
    });
    expect(read({ WGRAFT_CACHE_DIR: 'off' }).cache).toBeUndefined();
  });

  test('can switch the hook off', () => {
    expect(read({ WGRAFT_REGISTER: 'off' }).enabled).toBe(false);
    write({ enabled: false });
    expect(read().enabled).toBe(false);
  });

  test.each([
    ['{', /: it is not JSON: /],
    ['[]', /: it must hold one object$/],
    [{ slot: 'all' }, /: "slot" is not one of enabled, name, /],
    [{ slots: 'some' }, /: "slots" must be "all", "auto" or "entry"$/],
    [{ cacheLimitBytes: -1 }, /: "cacheLimitBytes" must be a number of bytes$/],
    [{ only: 'sql.js' }, /: "only" must be a list$/],
    [{ only: [7] }, /: "only" holds names and objects$/],
    [{ except: [{ size: 1 }] }, /: "size" is not one of name, sha256, /],
    [{ except: [{ sha256: 'XY' }] }, /: "sha256" must be at least 8 hex digits, in lower case$/],
    [{ trustedKeys: ['k'] }, /: "trustedKeys" is reserved: this version checks no signatures$/],
  ])('%j is refused', (content, message) => {
    write(content);
    expect(() => read()).toThrow(message);
    try {
      read();
    } catch (error) {
      expect(WgraftError.is(error, 'WGRAFT_ERR_CONFIG_INVALID')).toBe(true);
    }
  });

  test('a file that is named must be there, and the environment is checked, too', () => {
    expect(() => read({ WGRAFT_CONFIG: 'none.json' })).toThrow(/none\.json: no such file or folder$/);
    expect(() => read({ WGRAFT_SLOTS: 'some' })).toThrow(/^WGRAFT_SLOTS: "slots" must be/);
  });
});

describe('which modules are prepared', () => {
  const module = { name: '@a/b', sizeBytes: 100, sha256: () => '0123456789abcdef' };
  const why = (rules: Partial<ReturnType<typeof read>>): string | undefined =>
    whyLeft(module, { ...nothing, ...rules });

  test('all, where nothing is said, except what Node brings along', () => {
    expect(why({})).toBeUndefined();
    expect(whyLeft({ ...module, name: 'node' }, nothing)).toBe('it is one of Node itself');
  });

  test('the ones that a rule means: all that it says must hold', () => {
    expect(why({ only: [{ name: '@a/*' }] })).toBeUndefined();
    expect(why({ only: [{ name: '@a' }] })).toBe('it is not selected');
    expect(why({ only: [{ name: '*' }], except: [{ sha256: '01234567' }] })).toBe('it is excepted');
    expect(why({ except: [{ name: '@a/b', minBytes: 101 }] })).toBeUndefined();
    expect(why({ except: [{ maxBytes: 99 }, { sha256: '1123' }] })).toBeUndefined();
    expect(why({ only: [{ minBytes: 100, maxBytes: 100 }] })).toBeUndefined();
  });
});
