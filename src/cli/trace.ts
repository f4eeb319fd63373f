// `pagerace trace`: the seed's fault, told in its eleven steps.
import { Command } from 'commander';
import { SEED_ADDRESS, SEED_BASE_PFN, SEED_PFN, traceFault } from '../machine/trace.ts';
import { renderTrace } from '../report/trace-text.ts';
import { parseWhole } from './options.ts';

interface Flags {
  address: number;
  basePfn?: number;
  pfn?: number;
  softDirty: boolean;
  prot: string;
  read?: true;
  shared?: true;
  memcgLimit?: number;
  oom?: true;
  unstable?: true;
  secondCpu?: true;
  json?: true;
}

export function traceCommand(): Command {
  return new Command('trace')
    .description("run the seed's fault on a machine and tell it in eleven steps")
    .option(
      '--address <address>',
      'user address that is touched',
      parseWhole('--address', '0x75e52fc77000'),
      SEED_ADDRESS,
    )
    .option('--base-pfn <pfn>', 'first page frame of RAM', parseWhole('--base-pfn', '0x388000'))
    .option('--pfn <pfn>', 'the frame that the page gets', parseWhole('--pfn', '0x38944c'))
    .option('--no-soft-dirty', 'a kernel without CONFIG_MEM_SOFT_DIRTY')
    .option('--prot <rights>', 'rights of the mapping: some of r, w, x', 'rw')
    .option('--read', 'a read fault: the zero page')
    .option('--shared', 'a shared mapping without vm_ops: SIGBUS')
    .option('--memcg-limit <pages>', 'memory.max of the group, in pages', parseWhole('--memcg-limit', '0'))
    .option('--oom', 'no page can be had')
    .option('--unstable', 'the OOM reaper has been here: SIGBUS')
    .option('--second-cpu', 'another CPU maps the page first: the loser’s path')
    .option('--json', 'one JSON document')
    .action((flags: Flags) => {
      const pfn = flags.pfn ?? (flags.basePfn === undefined ? SEED_PFN : undefined);
      const trace = traceFault({
        address: flags.address,
        pfn: flags.read === true ? undefined : pfn,
        basePfn: flags.basePfn ?? SEED_BASE_PFN,
        softDirty: flags.softDirty,
        prot: flags.prot,
        read: flags.read === true,
        shared: flags.shared === true,
        memcgLimit: flags.memcgLimit,
        oom: flags.oom === true,
        unstable: flags.unstable === true,
        secondCpu: flags.secondCpu === true,
      });
      const text = flags.json === true ? JSON.stringify(trace, null, 2) : renderTrace(trace, false);
      process.stdout.write(`${text}\n`);
    });
}
