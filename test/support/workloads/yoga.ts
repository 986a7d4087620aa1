// Yoga (C++, Emscripten with embind, module embedded in the package as base64): lays out trees of boxes, with
// measure functions of the host and nodes that change.

import type * as Yoga from 'yoga-layout/load';
import { digest, numbers } from './digest.ts';
import { loadThrough } from './load.ts';
import type { Loader, Running, Workload } from './workload.ts';

export const yoga: Workload = { name: 'yoga', traits: ['c++', 'emscripten', 'embind', 'embedded'], start };

type Program = Awaited<ReturnType<typeof Yoga.loadYoga>>;

async function start(loader: Loader): Promise<Running> {
  const { loadYoga } = await import('yoga-layout/load');
  const program = await loadThrough(loader, () => loadYoga());
  return { work: async (scale = 1) => work(program, scale) };
}

function work(program: Program, scale: number): string {
  const layouts: unknown[] = [];
  for (let tree = 0; tree < Math.ceil(8 * scale); tree++) {
    const { root, nodes } = build(program, tree);
    root.calculateLayout(900, undefined, tree % 2 ? program.DIRECTION_RTL : program.DIRECTION_LTR);
    layouts.push(nodes.map((node) => node.getComputedLayout()));
    for (const node of nodes.filter((_, i) => i % 5 === 2)) node.setWidth(33 + tree);
    root.calculateLayout('auto', 700, program.DIRECTION_LTR);
    layouts.push(nodes.map((node) => node.getComputedLayout()));
    root.freeRecursive();
  }
  return `${layouts.length} layouts ${digest(layouts)}`;
}

type Node = ReturnType<Program['Node']['create']>;

function build(program: Program, seed: number): { root: Node; nodes: Node[] } {
  const random = numbers(seed);
  const pick = (count: number): number => Math.floor(random() * count);
  const nodes: Node[] = [];
  const grow = (depth: number): Node => {
    const node = program.Node.create();
    nodes.push(node);
    node.setFlexDirection(pick(4));
    node.setFlexWrap(pick(3));
    node.setJustifyContent(pick(6));
    node.setMargin(program.EDGE_ALL, pick(6));
    node.setPadding(program.EDGE_START, pick(4));
    if (pick(3) === 0) node.setFlexGrow(1 + pick(3));
    if (pick(4) === 0) node.setWidthPercent(20 + pick(70));
    if (depth === 0) {
      node.setMeasureFunc((width) => ({
        width: Math.min(Number.isNaN(width) ? 50 : width, 20 + (seed % 7) * 9),
        height: 12,
      }));
      return node;
    }
    for (let i = 0; i < 3 + pick(2); i++) node.insertChild(grow(depth - 1), i);
    return node;
  };
  return { root: grow(4), nodes };
}
