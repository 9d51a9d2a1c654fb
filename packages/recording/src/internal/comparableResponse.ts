import { Digest, RegistryError } from "@effect-oci/core"
import type { Descriptor, Manifest, Operation } from "@effect-oci/core"
import type { Ended } from "../Recording.js"
import type { ObservedResponse } from "./observeResponse.js"

/**
 * The answer of a registry as named values that are compared: `digest`, `size`, `mediaType`, `range`, `read` (the
 * sha256 of the bytes that were read), `items`, and `error` (the tag of the error).
 *
 * @since 0.1.0
 * @category models
 */
export type ComparableResponse = { readonly [field: string]: unknown }

/**
 * Returns an answer as named values, without values that differ between registries: ids, messages, and the media type
 * of a blob.
 */
export const told = (operation: Operation.Operation, answer: ObservedResponse): ComparableResponse => {
  switch (answer._tag) {
    case "Failure":
      return { error: errorOf(operation, answer.error) }
    case "Blob": {
      const { descriptor: { digest, size }, range } = answer.blob
      const content = answer.content()
      return { digest, size, range, read: content.digest, ...endOf(operation, content.ended) }
    }
    case "List": {
      const referrers = operation._tag === "ListReferrers"
      const items = referrers ? inOrder(answer.items as ReadonlyArray<Descriptor.Descriptor>) : answer.items
      return { items, ...endOf(operation, answer.ended) }
    }
    case "Value":
      return value(answer.operation, answer.value)
  }
}

/** Returns the names of the values that differ. */
export const differences = (one: ComparableResponse, other: ComparableResponse): ReadonlyArray<string> =>
  Array.from(new Set([...Object.keys(one), ...Object.keys(other)]))
    .filter((field) => canonical(one[field]) !== canonical(other[field]))

/** The response to HEAD has no body, so it cannot distinguish not-found errors. */
const errorOf = (operation: Operation.Operation, error: RegistryError.RegistryError): string =>
  (operation._tag === "ResolveBlob" || operation._tag === "ResolveManifest") && RegistryError.isNotFound(error)
    ? "NotFound"
    : error._tag

const endOf = (operation: Operation.Operation, ended: Ended | undefined): ComparableResponse =>
  typeof ended === "object" ? { error: errorOf(operation, ended.error) } : {}

/** Sorts referrers, because their order differs between registries. */
const inOrder = (referrers: ReadonlyArray<Descriptor.Descriptor>): ReadonlyArray<Descriptor.Descriptor> =>
  referrers.toSorted((one, other) => one.digest < other.digest ? -1 : 1)

const value = (operation: Operation.OperationTag, result: unknown): ComparableResponse => {
  switch (operation) {
    case "ResolveBlob":
    case "PushBlob":
    case "CompleteUpload": {
      const { digest, size } = result as Descriptor.Descriptor
      return { digest, size }
    }
    case "GetManifest": {
      const { bytes, descriptor: { digest, mediaType } } = result as Manifest.Manifest
      return { digest, mediaType, read: Digest.fromBytes(bytes) }
    }
    case "ResolveManifest":
    case "PushManifest": {
      const { digest, mediaType, size } = result as Descriptor.Descriptor
      return { digest, mediaType, size }
    }
    default:
      return {}
  }
}

/** Returns the same text for the same data, in any order of its fields. */
const canonical = (data: unknown): string | undefined =>
  JSON.stringify(data, (_, field: unknown) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).toSorted(([one], [other]) => one < other ? -1 : 1))
      : field)
