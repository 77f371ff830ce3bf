// Runs every flow, and prints a line of JSON for each: {"flow", "error"}.
import { FLOWS } from './flows.mjs';

for (const [flow, run] of Object.entries(FLOWS)) {
  let error: string | null = null;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('not done after 30 s')), 30_000);
  });
  try {
    await Promise.race([run(), late]);
  } catch (raised) {
    error = raised instanceof Error ? (raised.stack ?? raised.message) : String(raised);
  } finally {
    clearTimeout(timer);
  }
  console.log(JSON.stringify({ flow, error }));
}
process.exit(0); // a stream that a failed flow left open would hold the process
