import * as Descriptor from "@effect-oci/core/Descriptor"
import * as Digest from "@effect-oci/core/Digest"
import * as Manifest from "@effect-oci/core/Manifest"
import * as MediaType from "@effect-oci/core/MediaType"
import type { OperationTag } from "@effect-oci/core/Operation"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Arbitraries from "../../Arbitraries.js"
import * as hostile from "./hostile.js"
import { target } from "./target.js"
import type { Target } from "./target.js"

const parsed = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes))

const utf8 = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

const isDescriptor = ({ digest, size }: Descriptor.Descriptor): boolean =>
  Digest.is(digest) && Number.isSafeInteger(size) && size >= 0

const equal = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

const oneDescriptor = JSON.stringify({ mediaType: "a/b", digest: `sha256:${"0".repeat(64)}`, size: 0 })

const lists: { readonly [mediaType: string]: string } = {
  [MediaType.image]: "layers",
  [MediaType.dockerImage]: "layers",
  [MediaType.index]: "manifests",
  [MediaType.dockerList]: "manifests",
  [MediaType.artifact]: "blobs"
}

/** A manifest, and the media type of the request. */
interface Sent {
  readonly mediaType: string
  readonly content: hostile.Content
}

/** Returns the members of a document as JSON. Of a document of an unknown type only the names of its lists are known. */
const membersOf = ({ _tag, mediaType: _, ...members }: Manifest.Document): object =>
  "lists" in members ? Object.fromEntries(members.lists.map((name) => [name, []])) : members

const manifest = target<Sent, Manifest.Document>({
  name: "manifest",
  input: fc.tuple(
    Arbitraries.manifest,
    hostile.treatment,
    fc.oneof(
      { weight: 8, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom(...MediaType.manifests, "application/json", "") },
      { weight: 1, arbitrary: hostile.edited(fc.constantFrom(...MediaType.manifests)) }
    )
  ).map(([{ bytes, mediaType }, treat, other]) => ({ mediaType: other ?? mediaType, content: treat(parsed(bytes)) })),
  run: ({ content, mediaType }) => Manifest.parse({ mediaType, bytes: hostile.bytesOf(content) }),
  laws: {
    "the result round-trips": (document) => {
      const { mediaType } = document
      const again = Manifest.parse({ mediaType, bytes: utf8({ schemaVersion: 2, mediaType, ...membersOf(document) }) })
      return equal(Either.getOrUndefined(again), document)
    },
    "the references are descriptors, up to the limit": (document) => {
      const links = Manifest.references(document)
      return links.length <= Manifest.maxEntries + 2 && links.every(({ descriptor }) => isDescriptor(descriptor))
    },
    "the media type is that of the request": (document, { mediaType }) =>
      document.mediaType === MediaType.essence(mediaType)
  },
  worst: Object.entries(lists).flatMap(([mediaType, member]) =>
    hostile.worstJson(
      member,
      oneDescriptor,
      `"schemaVersion":2,${member === "layers" ? `"config":${oneDescriptor},` : ""}`
    ).map(({ make, name }) => ({
      name: `${name}, as ${mediaType}`,
      make: (length: number) => ({ mediaType, content: make(length) })
    }))
  )
})

/** The message shows the input. The reason of the failure is for programs. */
const decodeDescriptor = (text: string) =>
  Either.mapLeft(Schema.decodeUnknownEither(Schema.parseJson(Descriptor.schema))(text), () => undefined)

const descriptor = target<string, Descriptor.Descriptor>({
  name: "descriptor",
  input: hostile.json(Arbitraries.descriptor).map((content) => typeof content === "string" ? content : "\ud800"),
  run: decodeDescriptor,
  laws: {
    "the result round-trips": (read) =>
      equal(Either.getOrUndefined(decodeDescriptor(JSON.stringify(Schema.encodeSync(Descriptor.schema)(read)))), read),
    "the result is a descriptor": isDescriptor
  },
  worst: hostile.worstJson("urls", `"https://a.example"`, oneDescriptor.slice(1, -1) + ",")
})

/** The status and headers with which the body of an error is read. */
interface Failure {
  readonly status: number
  readonly operation: OperationTag | undefined
  readonly headers: { readonly [name: string]: string }
  readonly body: hostile.Content
}

const dates = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]

const date = hostile.text({
  valid: fc.oneof(fc.constantFrom(...dates), fc.nat().map(String)),
  pieces: ["0", "9", "Sun", ",", " ", ":", "GMT", "Nov", "99999999", "+9999", "(", ...dates]
})

const errorDocument = fc.record({
  errors: fc.array(
    fc.record({
      code: fc.oneof(
        fc.constantFrom("BLOB_UNKNOWN", "DENIED", "TOOMANYREQUESTS", "SIZE_INVALID", "RANGE_INVALID", "UNKNOWN", ""),
        fc.string()
      ),
      message: fc.string({ unit: "binary" }),
      detail: fc.jsonValue()
    }, { requiredKeys: ["code"] }),
    { maxLength: 3 }
  )
})

const readError = ({ body, headers, operation, status }: Failure): RegistryError =>
  ErrorBody.decode({ status, headers, bytes: hostile.bytesOf(body) }, { operation })

const errorBody = target<Failure, RegistryError>({
  name: "error body",
  input: fc.record({
    status: fc.oneof(fc.constantFrom(400, 401, 403, 404, 405, 412, 413, 416, 429, 500, 503), fc.nat(999)),
    operation: fc.option(
      fc.constantFrom<OperationTag>("GetBlob", "GetManifest", "PushManifest", "AppendUpload", "ListTags"),
      { nil: undefined }
    ),
    headers: fc.record({
      "retry-after": date,
      date,
      range: fc.constant("0-9"),
      "content-range": fc.constant("bytes */7")
    }, {
      requiredKeys: []
    }),
    body: hostile.json(errorDocument)
  }),
  run: (failure) => Either.right(readError(failure)),
  laws: {
    "the error and its message are the same after a server": (error, { operation }) => {
      const { body, headers, status } = ErrorBody.encode(error)
      const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined))
      const again = readError({ operation, body: body?.bytes ?? "", headers: sent as Failure["headers"], status })
      return again._tag === error._tag && again.message === error.message
    },
    "the text is printable": (error) =>
      JSON.stringify(error, null, 2).length < 2 * 1024 * 1024 && !/[\p{Cc}\p{Cs}]/u.test(error.message),
    "retryAfter, if present, is a valid time": ({ retryAfter }) =>
      retryAfter === undefined || (Number.isSafeInteger(retryAfter) && retryAfter >= 0),
    "no response header contains a line break": (error) =>
      Object.values(ErrorBody.encode(error).headers).every((value) => !/[\r\n\0]/.test(value ?? ""))
  },
  worst: [
    ...hostile.worstJson("errors", `{"code":""}`),
    ...hostile.worstJson("detail", `{"code":""}`, `"errors":[{"code":"A"}],`)
  ].map(({ make, name }): Target<Failure>["worst"][number] => ({
    name,
    make: (length) => ({ status: 400, operation: undefined, headers: {}, body: make(length) })
  })).concat(
    hostile.worst(dates.concat("0", " ", "GMT")).map(({ make, name }) => ({
      name: `a Retry-After of ${name}`,
      make: (length) => ({ status: 429, operation: undefined, headers: { "retry-after": make(length) }, body: "" })
    }))
  )
})

/** The targets that read a document. */
export const documents: ReadonlyArray<Target> = [manifest, descriptor, errorBody]
