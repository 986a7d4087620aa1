// Lua 5.4 (C, Emscripten, setjmp through JavaScript exceptions): scripts run in the interpreter: closures, tables,
// metatables, string patterns, coroutines, errors caught, and calls of functions of the host.

import type * as Wasmoon from 'wasmoon';
import { digest } from './digest.ts';
import { freshRequire } from './fresh.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const lua: Workload = { name: 'lua', traits: ['c', 'emscripten', 'setjmp'], start };

async function start(loader: Loader): Promise<Running> {
  const { LuaFactory } = freshRequire<typeof Wasmoon>('wasmoon');
  const factory = new LuaFactory();
  await loadThrough(loader, () => factory.getLuaModule());
  return { work: async (scale = 1) => work(await factory.createEngine(), scale) };
}

const program = `
  local out = {}
  local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
  out[#out + 1] = fib(20)

  local Account = {} Account.__index = Account
  Account.__add = function(a, b) return setmetatable({ balance = a.balance + b.balance }, Account) end
  function Account.new(n) return setmetatable({ balance = n }, Account) end
  function Account:deposit(n) self.balance = self.balance + n end
  local total = Account.new(0)
  for i = 1, math.floor(8000 * scale) do local a = Account.new(i % 7) a:deposit(i % 13) total = total + a end
  out[#out + 1] = total.balance

  local words, seed = {}, 42
  for i = 1, math.floor(1500 * scale) do seed = (seed * 1103515245 + 12345) % 2147483648 words[i] = string.format("w%x", seed % 9973) end
  table.sort(words)
  local text = table.concat(words, " ")
  local hits = 0
  for word in text:gmatch("w%d%x*") do hits = hits + #word end
  out[#out + 1] = hits
  out[#out + 1] = #text:gsub("(%a)(%w+)", "%2%1"):rep(2):reverse():upper()

  local primes = coroutine.wrap(function()
    local sieve = {}
    for n = 2, 4000 do if not sieve[n] then coroutine.yield(n) for m = n * n, 4000, n do sieve[m] = true end end end
  end)
  local sum = 0
  for p in primes do sum = sum + p end
  out[#out + 1] = sum

  local caught = 0
  for i = 1, math.floor(300 * scale) do
    local ok, message = pcall(function() if i % 2 == 0 then error({ code = i }) end local t = nil; return t.x end)
    if not ok then caught = caught + (type(message) == "table" and message.code or #message) end
  end
  out[#out + 1] = caught

  local grid = {}
  for y = 1, 40 do grid[y] = {} for x = 1, 40 do grid[y][x] = math.sin(x * y) > 0 and 1 or 0 end end
  for step = 1, math.ceil(4 * scale) do
    local next = {}
    for y = 1, 40 do next[y] = {} for x = 1, 40 do
      local n = 0
      for dy = -1, 1 do for dx = -1, 1 do if dx ~= 0 or dy ~= 0 then n = n + grid[(y + dy - 1) % 40 + 1][(x + dx - 1) % 40 + 1] end end end
      next[y][x] = (n == 3 or (n == 2 and grid[y][x] == 1)) and 1 or 0
    end end
    grid = next
  end
  local alive = 0
  for y = 1, 40 do for x = 1, 40 do alive = alive + grid[y][x] end end
  out[#out + 1] = alive

  for i = 1, 100 do out[#out + 1] = hostAdd(i, i * 2) end
  return table.concat(out, " ")`;

function work(engine: Wasmoon.LuaEngine, scale: number): string {
  try {
    engine.global.set('scale', scale);
    engine.global.set('hostAdd', (a: number, b: number) => a + b);
    return `answers ${digest(engine.doStringSync(program))}`;
  } finally {
    engine.global.close();
  }
}
