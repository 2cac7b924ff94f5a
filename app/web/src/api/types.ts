// The service's own words for what goes over the wire, made from its OpenAPI by `make web-types`.

import type { components, operations } from "./schema";

type Schemas = components["schemas"];

export type ActiveAdapter = Schemas["ActiveAdapterOut"];
export type ActivePrompt = Schemas["ActivePromptOut"];
export type Adapter = Schemas["AdapterOut"];
export type Answer = Schemas["AnswerOut"];
export type AnswerRequest = Schemas["AnswerRequest"];
export type AuditEvent = Schemas["AuditEventOut"];
export type Box = Schemas["BoxOut"];
export type Citation = Schemas["CitationOut"];
export type Collection = Schemas["CollectionOut"];
export type CollectionMap = Schemas["MapOut"];
export type Compared = Schemas["ComparisonOut"];
export type Conversation = Schemas["ConversationOut"];
export type ConversationWhole = Schemas["ConversationWhole"];
export type Document = Schemas["DocumentOut"];
export type DocumentText = Schemas["TextOut"];
export type Evaluation = Schemas["EvaluationOut"];
export type EvaluationReport = Schemas["ReportOut"];
export type Example = Schemas["ExampleOut"];
export type Grant = Schemas["GrantOut"];
export type Group = Schemas["GroupOut"];
export type Invitation = Schemas["InvitationOut"];
export type Job = Schemas["JobOut"];
export type Key = Schemas["KeyOut"];
export type KeyMade = Schemas["KeyMade"];
export type Label = Schemas["LabelOut"];
export type Me = Schemas["MeOut"];
export type Operations = Schemas["OperationsOut"];
export type Passage = Schemas["PassageOut"];
export type PassagesFound = Schemas["PassagesEvent"];
export type Person = Schemas["PersonOut"];
export type ProblemDetails = Schemas["Problem"];
export type Prompt = Schemas["PromptOut"];
export type PromptPreview = Schemas["PreviewOut"];
export type PromptWhole = Schemas["PromptWhole"];
export type Scope = Schemas["Scope"];
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
