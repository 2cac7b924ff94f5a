// The service's own words for what goes over the wire, made from its OpenAPI by `make web-types`.

import type { components, operations } from "./schema";

type Schemas = components["schemas"];

export type Answer = Schemas["AnswerOut"];
export type AnswerRequest = Schemas["AnswerRequest"];
export type Box = Schemas["BoxOut"];
export type Citation = Schemas["CitationOut"];
export type Collection = Schemas["CollectionOut"];
export type CollectionMap = Schemas["MapOut"];
export type Conversation = Schemas["ConversationOut"];
export type ConversationWhole = Schemas["ConversationWhole"];
export type Document = Schemas["DocumentOut"];
export type DocumentText = Schemas["TextOut"];
export type Job = Schemas["JobOut"];
export type Passage = Schemas["PassageOut"];
export type PassagesFound = Schemas["PassagesEvent"];
export type ProblemDetails = Schemas["Problem"];
export type Sentence = Schemas["SentenceOut"];
export type StoredAnswer = Schemas["StoredAnswerOut"];
export type Turn = Schemas["TurnOut"];
export type Upload = Schemas["UploadOut"];
export type Version = Schemas["VersionOut"];

export type DocumentQuery = NonNullable<operations["list_documents"]["parameters"]["query"]>;
export type JobState = Job["state"];

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}
