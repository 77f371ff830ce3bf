// What each route answers with, in the words of the SDK. What came is compiled against this, so that a field that the
// types lack, one that is missing, and a null where they have none are told: those of Python take more. A stream's
// type is that of one event.
import type Anthropic from '@anthropic-ai/sdk';
import type {
  BidirectionalPageCursorResponse as PagesBothWays,
  PageCursorResponse as Pages,
  PageResponse,
} from '@anthropic-ai/sdk/core/pagination';

/** With what Podium adds. */
type Agent = Anthropic.Beta.BetaManagedAgentsAgent & { input_schema?: object; output_schema?: object; limits?: object };
type Environment = Anthropic.Beta.BetaEnvironment;
type Session = Anthropic.Beta.BetaManagedAgentsSession;
type Thread = Anthropic.Beta.Sessions.BetaManagedAgentsSessionThread;
type Event = Anthropic.Beta.Sessions.BetaManagedAgentsSessionEvent;
type Model = Anthropic.Beta.BetaModelInfo;

export interface Answers {
  'POST /v1/agents': Agent;
  'GET /v1/agents': Pages<Agent>;
  'GET /v1/agents/{id}': Agent;
  'POST /v1/agents/{id}': Agent;
  'POST /v1/agents/{id}/archive': Agent;
  'GET /v1/agents/{id}/versions': Pages<Agent>;
  'POST /v1/environments': Environment;
  'GET /v1/environments': Pages<Environment>;
  'GET /v1/environments/{id}': Environment;
  'POST /v1/environments/{id}': Environment;
  'DELETE /v1/environments/{id}': Anthropic.Beta.BetaEnvironmentDeleteResponse;
  'POST /v1/environments/{id}/archive': Environment;
  'POST /v1/sessions': Session;
  'GET /v1/sessions': PagesBothWays<Session>;
  'GET /v1/sessions/{id}': Session;
  'POST /v1/sessions/{id}': Session;
  'DELETE /v1/sessions/{id}': Anthropic.Beta.BetaManagedAgentsDeletedSession;
  'POST /v1/sessions/{id}/archive': Session;
  'POST /v1/sessions/{id}/events': Anthropic.Beta.Sessions.BetaManagedAgentsSendSessionEvents;
  'GET /v1/sessions/{id}/events': Pages<Event>;
  'GET /v1/sessions/{id}/events/stream': Anthropic.Beta.Sessions.BetaManagedAgentsStreamSessionEvents;
  'GET /v1/sessions/{id}/threads': Pages<Thread>;
  'GET /v1/sessions/{id}/threads/{id}': Thread;
  'POST /v1/sessions/{id}/threads/{id}/archive': Thread;
  'GET /v1/sessions/{id}/threads/{id}/events': Pages<Event>;
  'GET /v1/sessions/{id}/threads/{id}/stream': Anthropic.Beta.Sessions.BetaManagedAgentsStreamSessionThreadEvents;
  'GET /v1/models': PageResponse<Model>;
  'GET /v1/models/{id}': Model;
}
