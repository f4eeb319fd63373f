// A reporter that names every test that did not run, and its reason: what is skipped silently is soon forgotten.
import type { Reporter, TestModule } from 'vitest/node';

export default class Skips implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const result = test.result();
        const note = result.state === 'skipped' ? result.note : undefined;
        lines.push(`skipped: ${module.relativeModuleId} > ${test.fullName}: ${note ?? 'no reason given'}\n`);
      }
    }
    process.stdout.write(lines.length === 0 ? 'skipped: none\n' : lines.join(''));
  }
}
