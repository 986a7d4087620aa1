// npm run bench:page: makes the tables and the plot of docs/performance.md from docs/performance.json.

import { readFileSync, writeFileSync } from 'node:fs';
import { type Figures, page, plot } from './page.ts';

const docs = (file: string): URL => new URL(`../../docs/${file}`, import.meta.url);
const figures: Figures = JSON.parse(readFileSync(docs('performance.json'), 'utf8'));
writeFileSync(docs('performance.md'), page(readFileSync(docs('performance.md'), 'utf8'), figures));
writeFileSync(docs('performance.svg'), plot(figures));
