// Events: sent, listed, streamed, resumed, previewed; and what a run writes when models fail.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { Stream } from '@anthropic-ai/sdk/core/streaming';
import { accumulateManagedAgentsEvent } from '@anthropic-ai/sdk/lib/sessions/accumulate';
import { REFUSE, WAIT, call, fail, say, script, think, used } from './script.mjs';
import * as w from './world.mjs';

async function aTurnIsStreamedInOrder(): Promise<void> {
  const session = await w.session(await w.agent({ system: 'You greet.' }));

  const events = await w.turn(session.id, script('hello there'));

  const kinds = w.kinds(events);
  const [echo, taken] = w.of(events, 'user.message');
  assert.ok(echo === events[0] && taken === events[3]);
  assert.equal(echo?.processed_at, null, 'it is echoed at once');
  assert.deepEqual(new Set(kinds.slice(1, 3)), new Set(['session.status_running', 'session.thread_status_running']));
  assert.deepEqual(kinds.slice(3), [
    'user.message',
    'span.model_request_start',
    'agent.message',
    'span.model_request_end',
    'session.thread_status_idle',
    'session.usage',
    'session.status_idle',
  ]);
  assert.equal(taken?.id, echo.id);
  assert.ok(taken.processed_at, 'and again when it is taken');
  assert.equal(w.words(w.only(events, 'agent.message')), 'hello there');
  const end = w.only(events, 'span.model_request_end');
  assert.equal(end.model_request_start_id, w.only(events, 'span.model_request_start').id);
  assert.equal(end.model_usage.output_tokens, 15);
  assert.deepEqual(w.stopped(events), { type: 'end_turn' });
  assert.equal((await w.sessions.retrieve(session.id)).status, 'idle', 'as soon as the stream says so');
}

async function theFirstStatusOfAThreadIsThePrimarys(): Promise<void> {
  const session = await w.session(await w.agent());
  const events = await w.turn(session.id, script('hello'));

  const first = events.find((event) => event.type.startsWith('session.thread_status_'));
  assert.ok(first?.type === 'session.thread_status_running');
  assert.equal(first.session_thread_id, (await w.threads(session.id)).primary.id);
}

async function aListAndAStreamSayTheSame(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [w.TOOLSET] }));
  const streamed = await w.turn(session.id, script([say('on it'), call('bash', { command: 'echo hi' })], 'done'));

  const listed = await w.listed(session.id);

  const ids = streamed.map((event) => ('id' in event ? event.id : assert.fail(event.type)));
  const lastOfEach = ids.filter((id, at) => ids.lastIndexOf(id) === at);
  assert.deepEqual(w.ids(listed).filter((id) => ids.includes(id)), lastOfEach);
  const [use, result] = [w.only(listed, 'agent.tool_use'), w.only(listed, 'agent.tool_result')];
  assert.deepEqual([use.name, use.input, use.evaluated_permission], ['bash', { command: 'echo hi' }, 'allow']);
  assert.deepEqual([result.tool_use_id, result.is_error], [use.id, false]);
  assert.match(w.words(result), /hi/);
}

async function aProgramThatOpensItsStreamLateMissesNothing(): Promise<void> {
  const session = await w.session(await w.agent());
  await w.send(session.id, script('hello'));

  await using stream = await w.watch(session.id);
  const events = await stream.until('session.status_idle');

  assert.equal(w.words(w.only(events, 'agent.message')), 'hello');
}

/** The session's stream as the frames that came over the wire: `lines` are a frame's own, `type` is its event's. */
async function framesOf(id: string) {
  const answer = await w.sessions.events.stream(id).asResponse();
  async function* frames() {
    for await (const { event: name, data, raw } of Stream.rawEvents(answer)) {
      const event = JSON.parse(data) as w.Event;
      const lines = raw.filter((line) => !line.startsWith(':')).map((line) => line.split(/: (.*)/s, 2));
      yield { type: event.type, name, event, lines: Object.fromEntries(lines) as Record<string, string> };
    }
  }
  const found = frames();
  return new w.Watched(found, () => found.return());
}

async function aStreamIsResumedBehindItsLastEvent(): Promise<void> {
  const session = await w.session(await w.agent());
  await using framed = await framesOf(session.id);
  await w.send(session.id, script('hello'));
  const frames = await framed.until('session.status_idle');
  const at = w.kinds(frames).indexOf('agent.message');

  await using stream = await w.watch(session.id, {}, { headers: { 'Last-Event-ID': frames[at]!.lines['id'] } });
  const again = await stream.until('session.status_idle');

  assert.deepEqual(again, frames.slice(at + 1).map((frame) => frame.event));
}

async function eventsAreListedByKindTimeAndPage(): Promise<void> {
  const session = await w.session(await w.agent());
  for (const said of ['one', 'two', 'three']) await w.turn(session.id, script(said));
  const ids = w.ids(await w.listed(session.id));

  const messages = await w.listed(session.id, { types: ['agent.message', 'user.message'] });
  assert.deepEqual(new Set(w.kinds(messages)), new Set(['agent.message', 'user.message']));
  const said = w.of(messages, 'agent.message');
  assert.deepEqual(said.map(w.words), ['one', 'two', 'three']);
  assert.deepEqual(w.ids(await w.listed(session.id, { order: 'desc' })), [...ids].reverse());
  assert.deepEqual(w.ids(await w.all(w.sessions.events.list(session.id, { limit: 3 }))), ids);

  const middle = said[1]!.processed_at;
  const later = await w.listed(session.id, { types: ['agent.message'], 'created_at[gt]': middle });
  assert.deepEqual(later.map(w.words), ['three']);
  assert.equal((await w.listed(session.id, { types: ['agent.message'], 'created_at[lte]': middle })).length, 2);
}

async function aMessageThatComesWhileItWorksIsQueued(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [w.TOOLSET] }));
  await using stream = await w.watch(session.id);
  await w.send(session.id, script([call('bash', { command: 'sleep 0.3' })], 'first'));
  await stream.until('agent.tool_use');
  const [sent] = (await w.send(session.id, script('second'))).data ?? [];
  assert.equal(sent?.processed_at, null);
  const events = await stream.until('session.status_idle');

  const echoes = w.of(events, 'user.message').filter((event) => event.id === sent.id);
  assert.deepEqual(echoes.map((event) => event.processed_at === null), [true, false]);
  assert.equal(w.of(events, 'agent.message').map(w.words).at(-1), 'second');
}

async function thoughtsAreSignalled(): Promise<void> {
  const session = await w.session(await w.agent());
  const events = await w.turn(session.id, script([think('hm'), say('hello')]));

  w.inOrder(events, 'agent.thinking', 'agent.message');
}

async function previewsArePrefixesOfWhatIsSaid(): Promise<void> {
  const session = await w.session(await w.agent());
  const whole = 'hello, these are many words';

  await using stream = await w.watch(session.id, { event_deltas: ['agent.message', 'agent.thinking'] });
  await w.send(session.id, script([think('hm'), say(whole)]));
  const events = await stream.until('session.status_idle');

  const message = w.only(events, 'agent.message');
  const starts = w.of(events, 'event_start').map((one) => one.event);
  assert.deepEqual(w.ids(w.of(starts, 'agent.message')), [message.id]);
  w.inOrder(events, 'span.model_request_start', 'event_start', 'event_delta', 'agent.message');
  let grown = '';
  let snapshot: ReturnType<typeof accumulateManagedAgentsEvent>;
  for (const event of events) {
    snapshot = accumulateManagedAgentsEvent(snapshot, event);
    if (event.type !== 'event_delta') continue;
    assert.equal(event.event_id, message.id);
    grown += event.delta.content.text;
    assert.ok(snapshot && whole.startsWith(grown));
    assert.equal(w.words(snapshot), grown);
  }
  assert.deepEqual([snapshot?.id, snapshot && w.words(snapshot)], [message.id, whole]);
  const listed = w.kinds(await w.listed(session.id));
  assert.ok(!listed.includes('event_start') && !listed.includes('event_delta'), 'no list holds them');
  const wrong = { event_deltas: w.untyped<[]>(['agent.tool_use']) };
  await w.raises(Anthropic.BadRequestError, () => w.watch(session.id, wrong), 'event_deltas');
}

async function theOperatorAddsInstructions(): Promise<void> {
  const session = await w.session(await w.agent());
  const system = { type: 'system.message' as const, content: [{ type: 'text' as const, text: 'Be brief.' }] };

  await w.turn(session.id, script('ok'), system);

  assert.equal(w.words(w.only(await w.listed(session.id), 'system.message')), 'Be brief.');
  await w.raises(Anthropic.BadRequestError, () => w.send(session.id, system));
}

async function aFailedCallIsMadeAgain(): Promise<void> {
  const session = await w.session(await w.agent({ model: 'flaky' }));

  const events = await w.turn(session.id, script(fail(529, 'overloaded_error', 1), 'hello'));

  const { error } = w.only(events, 'session.error');
  assert.ok(error.type === 'model_overloaded_error');
  assert.deepEqual(error.retry_status, { type: 'retrying' });
  w.inOrder(events, 'session.error', 'session.status_rescheduled', 'agent.message');
  assert.equal(w.of(events, 'session.thread_status_rescheduled').length, 1);
  assert.deepEqual(w.stopped(events), { type: 'end_turn' });
}

async function aCallThatFailsForGoodEndsTheTurn(): Promise<void> {
  const session = await w.session(await w.agent({ model: 'broken' }));

  const events = await w.turn(session.id, script(fail(400, 'invalid_request_error', 99), 'never'));

  assert.equal(w.only(events, 'session.error').error.type, 'model_request_failed_error');
  assert.deepEqual(w.stopped(events), { type: 'retries_exhausted' });
  const after = await w.turn(session.id, script('hello'));
  assert.equal(w.words(w.only(after, 'agent.message')), 'hello', 'a new message goes on');
}

async function aRefusalEndsTheTurn(): Promise<void> {
  const session = await w.session(await w.agent());

  const idle = w.last(await w.turn(session.id, script(REFUSE)), 'session.status_idle');

  assert.deepEqual(idle.stop_reason, { type: 'refusal' });
  assert.deepEqual([idle.stop_details?.type, idle.stop_details?.category], ['refusal', 'cyber']);
}

async function aLongConversationIsCompacted(): Promise<void> {
  const session = await w.session(await w.agent({ model: 'narrow', tools: [w.TOOLSET] }));
  const full = used({ input_tokens: 90_000 });

  const events = await w.turn(session.id, script([call('bash', { command: 'true' }), full], 'after'));

  w.inOrder(events, 'agent.tool_result', 'agent.thread_context_compacted');
  assert.equal(w.of(events, 'agent.message').map(w.words).at(-1), 'after');
  assert.ok(w.kinds(await w.listed(session.id)).includes('user.message'), 'the list is whole');
}

async function whatIsNoEventIsRefusedWhole(): Promise<void> {
  const { id } = await w.session(await w.agent());
  const unknown = { type: 'user.tool_confirmation', tool_use_id: 'sevt_unknown', result: 'allow' };
  const cases: [unknown[], string][] = [
    [[], 'events'],
    [[w.message('fine'), { type: 'user.shout' }], 'events[1]'],
    [[w.message('fine'), unknown], 'tool_use_id'],
    [[{ type: 'user.message', content: [] }], 'content'],
    [[{ type: 'user.message', content: [{ type: 'redacted' }] }], 'content'],
    [[{ type: 'user.define_outcome', description: 'd', rubric: { type: 'text', content: 'r' } }], 'events[0]'],
  ];
  for (const [events, place] of cases) {
    const send = () => w.sessions.events.send(id, { events: w.untyped<[]>(events) });
    await w.raises(Anthropic.BadRequestError, send, place);
  }
  assert.deepEqual(await w.listed(id), []);
  assert.equal((await w.sessions.retrieve(id)).status, 'idle');
}

async function aStreamEndsInWholeNamedFrames(): Promise<void> {
  const session = await w.session(await w.agent());
  await using framed = await framesOf(session.id);
  await w.send(session.id, script(WAIT));
  const frames = await framed.until('span.model_request_start');
  await w.send(session.id, { type: 'user.interrupt' });
  frames.push(...(await framed.until('session.status_idle')));

  assert.deepEqual(new Set(frames.map((frame) => frame.name)), new Set(['message']));
  for (const { lines } of frames) {
    assert.deepEqual(Object.keys(lines).sort(), ['data', 'event', 'id']);
    assert.ok(lines['id']);
  }
}

export const FLOWS = [
  aTurnIsStreamedInOrder,
  theFirstStatusOfAThreadIsThePrimarys,
  aListAndAStreamSayTheSame,
  aProgramThatOpensItsStreamLateMissesNothing,
  aStreamIsResumedBehindItsLastEvent,
  eventsAreListedByKindTimeAndPage,
  aMessageThatComesWhileItWorksIsQueued,
  thoughtsAreSignalled,
  previewsArePrefixesOfWhatIsSaid,
  theOperatorAddsInstructions,
  aFailedCallIsMadeAgain,
  aCallThatFailsForGoodEndsTheTurn,
  aRefusalEndsTheTurn,
  aLongConversationIsCompacted,
  whatIsNoEventIsRefusedWhole,
  aStreamEndsInWholeNamedFrames,
];
