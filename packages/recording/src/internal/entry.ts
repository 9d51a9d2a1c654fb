import { Digest, Operation, redact, RegistryError } from "@effect-oci/core"
import type { Manifest } from "@effect-oci/core"
import type { Content, Ended, Entry, RecordedOperation } from "../Recording.js"
import type { ObservedResponse } from "./observeResponse.js"
import { contentOf } from "./observeResponse.js"
import { keyOf } from "./schema.js"

/** Replaces the ids of uploads, which may contain secrets or the state of a registry, by placeholders. */
export class UploadIds {
  private readonly placeholders = new Map<string, string>()

  /** Returns the placeholder of an id that the registry returned. */
  issue(id: string): string {
    const known = this.placeholders.get(id)
    if (known !== undefined) return known
    const placeholder = `upload-${this.placeholders.size + 1}`
    this.placeholders.set(id, placeholder)
    return placeholder
  }

  /** Returns the placeholder of an id in a request. */
  of(id: string): string {
    return this.placeholders.get(id) ?? unknownId(id)
  }
}

/**
 * Returns the placeholder of an id that the registry has not returned. It is the same each time, also in another
 * session.
 */
export const unknownId = (id: string): string =>
  `unknown-${Digest.encoded(Digest.fromBytes(new TextEncoder().encode(id))).slice(0, 16)}`

/** Returns an operation in the form of a recording, with `content` instead of its body or bytes. */
export const recordedOperation = (
  operation: Operation.Operation,
  idOf: (id: string) => string,
  content: Content | undefined
): RecordedOperation =>
  ({
    ...operation,
    ...("id" in operation ? { id: idOf(operation.id) } : {}),
    ...("bytes" in operation ? { bytes: content } : {}),
    ...("body" in operation ? { body: content } : {}),
    ...("limit" in operation && operation.limit === Infinity ? { limit: undefined } : {})
  }) as unknown as RecordedOperation

/**
 * Returns a key that is equal for equal operations (`Operation.equivalence`). Bodies are compared by their bytes. A
 * body that was not read to its end is equal to every other such body.
 */
export const key = (operation: RecordedOperation): string => {
  if ("bytes" in operation) return keyOf({ ...operation, bytes: compared(operation.bytes) })
  const body = "body" in operation ? operation.body : undefined
  return keyOf(body === undefined ? operation : { ...operation, body: compared(body) })
}

const compared = ({ digest, ended, size }: Content): Content => ended === undefined ? { digest, size } : unread

const unread: Content = { digest: Digest.fromBytes(new Uint8Array(0)), size: 0, ended: "early" }

/** Returns an operation without its body. */
export const withoutBody = (operation: RecordedOperation): RecordedOperation =>
  "body" in operation && operation.body !== undefined
    ? { ...operation, body: unread }
    : operation

/** Creates the entry of an operation. Content up to `inline` bytes keeps its bytes. */
export const entry = (
  operation: Operation.Operation,
  sent: Content | undefined,
  response: ObservedResponse,
  ids: UploadIds,
  inline: number
): Entry => {
  // Create the request part first: a placeholder for an id in the result must not change the id in the request.
  const recorded = recordedOperation(operation, (id) => ids.of(id), sent && redactedEnd(sent))
  return { version: 1, operation: recorded, ...outcome(operation, response, ids, inline) } as unknown as Entry
}

const redacted = (error: RegistryError.RegistryError, uploadId?: string) =>
  RegistryError.mapText(error, (text) => redact(text, uploadId))

const redactedEnd = <A extends { readonly ended?: Ended | undefined }>(part: A): A =>
  typeof part.ended === "object" ? { ...part, ended: { error: redacted(part.ended.error) } } : part

const outcome = (
  operation: Operation.Operation,
  response: ObservedResponse,
  ids: UploadIds,
  inline: number
): { readonly error: unknown } | { readonly result: unknown } => {
  switch (response._tag) {
    case "Failure":
      return { error: redacted(response.error, "id" in operation ? operation.id : undefined) }
    case "List":
      return { result: redactedEnd({ items: response.items, ended: response.ended }) }
    case "Blob": {
      const { descriptor, range } = response.blob
      return { result: { descriptor, range, content: redactedEnd(response.content()) } }
    }
    case "Value": {
      if (operation._tag !== "GetManifest") return { result: withPlaceholder(response.value as object, ids) }
      const { bytes, descriptor } = response.value as Manifest.Manifest
      return { result: { descriptor, content: contentOf(bytes, inline) } }
    }
  }
}

const withPlaceholder = (result: object, ids: UploadIds): object => {
  const withId = (upload: Operation.Upload): Operation.Upload => ({ ...upload, id: ids.issue(upload.id) })
  if ("upload" in result) return new Operation.UploadStarted({ upload: withId(result.upload as Operation.Upload) })
  return "id" in result ? withId(result as Operation.Upload) : result
}
