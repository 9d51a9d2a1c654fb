import { Digest, redact, RegistryError } from "@effect-oci/core"
import type { Manifest, Operation } from "@effect-oci/core"
import type { Content, Ended, Entry, RecordedOperation } from "../Recording.js"
import type { ObservedResponse } from "./observeResponse.js"
import { contentOf } from "./observeResponse.js"
import { keyOf } from "./schema.js"

/** Replaces the ids of uploads, which may contain secrets or the state of a registry, by placeholders. */
export class UploadIds {
  private readonly issued = new Map<string, string>()

  /** Returns the placeholder of an id that the registry returned. */
  readonly issue = (id: string): string => {
    const known = this.issued.get(id)
    if (known !== undefined) return known
    const placeholder = `upload-${this.issued.size + 1}`
    this.issued.set(id, placeholder)
    return placeholder
  }

  /** Returns the placeholder of an id in a request. */
  readonly of = (id: string): string => this.issued.get(id) ?? unissued(id)
}

/**
 * Returns the placeholder of an id that the registry has not returned. It is the same each time, also in another
 * session.
 */
export const unissued = (id: string): string =>
  `unknown-${Digest.encoded(Digest.fromBytes(new TextEncoder().encode(id))).slice(0, 16)}`

/** Returns an operation in the form of a recording, with `content` instead of its body. */
export const asked = (
  operation: Operation.Operation,
  idOf: (id: string) => string,
  content: Content | undefined
): RecordedOperation => {
  const fields: { [name: string]: unknown } = Object.fromEntries(Object.entries(operation))
  if ("id" in operation) fields["id"] = idOf(operation.id)
  if ("bytes" in operation) fields["bytes"] = content
  if ("body" in operation) fields["body"] = content
  if (fields["limit"] === Infinity) fields["limit"] = undefined
  return fields as unknown as RecordedOperation
}

/**
 * Returns a key that is equal for equal operations (`Operation.equivalence`). Bodies are compared by their bytes. A
 * body that was not read to its end is equal to every other such body.
 */
export const key = (operation: RecordedOperation): string => {
  const fields: { [name: string]: unknown } = Object.fromEntries(Object.entries(operation))
  for (const name of ["body", "bytes"]) {
    const content = fields[name] as Content | undefined
    if (content !== undefined) fields[name] = content.ended === undefined ? whole(content) : unread
  }
  return keyOf(fields as unknown as RecordedOperation)
}

const whole = ({ digest, size }: Content): Content => ({ digest, size })

const unread: Content = { digest: Digest.fromBytes(new Uint8Array(0)), size: 0, ended: "early" }

/** Returns an operation without its body. */
export const withoutBody = (operation: RecordedOperation): RecordedOperation =>
  "body" in operation && operation.body !== undefined
    ? { ...operation, body: unread }
    : operation

/** Creates the entry of an operation. */
export const entry = (
  operation: Operation.Operation,
  sent: Content | undefined,
  answer: ObservedResponse,
  ids: UploadIds,
  keep: number
): Entry => {
  // Create the request part first: a placeholder for an id in the result must not change the id in the request.
  const line = asked(operation, ids.of, sent && { ...sent, ended: cleanEnd(sent.ended) })
  const { error, result } = outcome(operation, answer, ids, keep)
  return { version: 1, operation: line, ...(error === undefined ? { result } : { error }) } as unknown as Entry
}

const withoutSecrets = (error: RegistryError.RegistryError, id?: string) =>
  RegistryError.mapText(error, (text) => redact(text, id))

const cleanEnd = (ended: Ended | undefined): Ended | undefined =>
  typeof ended === "object" ? { error: withoutSecrets(ended.error) } : ended

const outcome = (
  operation: Operation.Operation,
  answer: ObservedResponse,
  ids: UploadIds,
  keep: number
): { readonly error?: unknown; readonly result?: unknown } => {
  switch (answer._tag) {
    case "Failure":
      return { error: withoutSecrets(answer.error, "id" in operation ? operation.id : undefined) }
    case "List":
      return { result: { items: answer.items, ended: cleanEnd(answer.ended) } }
    case "Blob": {
      const content = answer.content()
      const { descriptor, range } = answer.blob
      return { result: { descriptor, range, content: { ...content, ended: cleanEnd(content.ended) } } }
    }
    case "Value":
      return { result: value(answer.operation, answer.value, ids, keep) }
  }
}

const value = (operation: Operation.OperationTag, result: unknown, ids: UploadIds, keep: number): unknown => {
  const upload = (upload: Operation.Upload) => ({ ...upload, id: ids.issue(upload.id) })
  switch (operation) {
    case "StartUpload":
    case "GetUpload":
    case "AppendUpload":
      return upload(result as Operation.Upload)
    case "MountBlob": {
      const mounted = result as Operation.Mounted | Operation.UploadStarted
      return mounted._tag === "Mounted" ? mounted : { _tag: mounted._tag, upload: upload(mounted.upload) }
    }
    case "GetManifest": {
      const { bytes, descriptor } = result as Manifest.Manifest
      return { descriptor, content: contentOf(bytes, keep) }
    }
    case "PushManifest": {
      const { subject, tags, ...descriptor } = result as Operation.PushedManifest
      return { descriptor, subject, tags }
    }
    default:
      return result
  }
}
