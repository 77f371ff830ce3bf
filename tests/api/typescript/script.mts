// What a flow has the model say, as in tests/api/sdk/script.py: the newest script in a thread's messages holds.
import { randomUUID } from 'node:crypto';

export type Block = Record<string, unknown>;

/** The text that makes the model reply so, one after the other; after the last it says "over". */
export function script(...replies: (string | Block | Block[])[]): string {
  const listed = replies.map((one) => (typeof one === 'string' ? say(one) : one));
  return JSON.stringify({ replies: listed.map((one) => (Array.isArray(one) ? one : [one])), id: randomUUID() });
}

export const say = (text: string): Block => ({ type: 'text', text });
export const think = (thinking: string): Block => ({ type: 'thinking', thinking, signature: 'c2lnbmVk' });
export function call(name: string, input: Block): Block {
  return { type: 'tool_use', id: `toolu_${randomUUID()}`, name, input };
}
/** Beside a reply's blocks: the tokens that it claims, such as `input_tokens`. */
export const used = (usage: Record<string, number>): Block => ({ type: 'used', usage });
/** Says a first word, and never the rest. */
export const WAIT: Block = { type: 'wait' };
/** Stops with a refusal. */
export const REFUSE: Block = { type: 'refuse' };
/** Fails so many times, at once ready for more, before the model goes on with the next reply. */
export const fail = (status: number, error: string, times: number): Block => ({ type: 'fail', status, error, times });
