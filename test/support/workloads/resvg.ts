// resvg (Rust, wasm-bindgen): draws pictures with gradients, blur, clipping, masks and patterns.

import type * as Resvg from '@resvg/resvg-wasm';
import { digest, numbers } from './digest.ts';
import { freshRequire, readPackageFile } from './fresh.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const resvg: Workload = { name: 'resvg', traits: ['rust', 'wasm-bindgen'], start };

async function start(loader: Loader): Promise<Running> {
  const program = freshRequire<typeof Resvg>('@resvg/resvg-wasm');
  await loadThrough(loader, () => program.initWasm(readPackageFile('@resvg/resvg-wasm', 'index_bg.wasm')));
  return { work: async (scale = 1) => work(program, scale) };
}

function work(program: typeof Resvg, scale: number): string {
  const resvg = new program.Resvg(picture(Math.ceil(60 * scale)), { fitTo: { mode: 'width', value: 400 } });
  const box = resvg.getBBox();
  const image = resvg.render();
  const result = `${image.width}x${image.height}, pixels ${digest(image.pixels)}, png ${digest(image.asPng())}, box ${box?.width}`;
  image.free();
  box?.free();
  resvg.free();
  try {
    new program.Resvg('<svg><g></svg>');
    return `${result}, a broken picture is accepted`;
  } catch (error) {
    return `${result}, ${error}`;
  }
}

function picture(shapes: number): string {
  const random = numbers(11);
  const at = (): string => (random() * 300).toFixed(2);
  const shape = (i: number): string => {
    const paint = `fill="${i % 4 === 0 ? 'url(#sun)' : `hsl(${(i * 37) % 360} 70% 50%)`}" fill-opacity="${(0.2 + random() * 0.8).toFixed(2)}"`;
    const extra = i % 9 === 0 ? 'filter="url(#soft)"' : i % 7 === 0 ? 'clip-path="url(#round)"' : '';
    return i % 3 === 0
      ? `<path d="M${at()} ${at()} C${at()} ${at()} ${at()} ${at()} ${at()} ${at()} Z" ${paint} ${extra} stroke="#123" stroke-width="${i % 5}" stroke-dasharray="4 ${i % 3}"/>`
      : `<ellipse cx="${at()}" cy="${at()}" rx="${(random() * 50).toFixed(2)}" ry="${(random() * 30).toFixed(2)}" ${paint} ${extra} transform="rotate(${i * 13})"/>`;
  };
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 300">
    <defs>
      <radialGradient id="sun"><stop offset="0" stop-color="#fd6"/><stop offset="1" stop-color="#a31"/></radialGradient>
      <filter id="soft"><feGaussianBlur stdDeviation="3"/><feOffset dx="2" dy="2"/></filter>
      <clipPath id="round"><circle cx="150" cy="150" r="120"/></clipPath>
      <pattern id="dots" width="10" height="10" patternUnits="userSpaceOnUse"><circle cx="3" cy="3" r="2" fill="#39c"/></pattern>
      <mask id="fade"><rect width="300" height="300" fill="url(#sun)"/></mask>
    </defs>
    <rect width="300" height="300" fill="url(#dots)" mask="url(#fade)"/>
    ${Array.from({ length: shapes }, (_, i) => shape(i)).join('\n')}
  </svg>`;
}
