// Runs flows, all or those that are named, and prints a line of JSON for each: {"flow", "error", "seconds"}.
import { FLOWS } from './flows.mjs';

const named = process.argv.slice(2);
for (const flow of named.length ? named : Object.keys(FLOWS)) {
  let error: string | null = null;
  const begun = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('not done after 30 s')), 30_000);
  });
  try {
    await Promise.race([FLOWS[flow]!(), late]);
  } catch (raised) {
    error = raised instanceof Error ? (raised.stack ?? raised.message) : String(raised);
  } finally {
    clearTimeout(timer);
  }
  console.log(JSON.stringify({ flow, error, seconds: (performance.now() - begun) / 1000 }));
}
process.exit(0); // a stream that a failed flow left open would hold the process
