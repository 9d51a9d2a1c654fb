import * as Body from "@effect-oci/core/Body"
import * as MediaType from "@effect-oci/core/MediaType"
import type * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Page from "@effect-oci/protocol/Page"
import type * as Response from "@effect-oci/protocol/Response"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Arbitraries from "../../Arbitraries.js"
import * as hostile from "./hostile.js"
import {
  bytes,
  content,
  descriptor,
  digest,
  isListTag,
  isSound,
  operationOf,
  origin,
  read,
  repository,
  samples,
  sha512,
  tag,
  unverifiable,
  url
} from "./sampleOperations.js"
import { target } from "./target.js"
import type { Target } from "./target.js"

/** A response as plain data, and the operation that it answers. */
export interface Answered {
  readonly sample: number
  readonly status: number
  readonly headers: { readonly [name: string]: string }
  readonly body: hostile.Content
}

const received = ({ body, headers, status }: Answered): Response.Received => {
  const bytes = hostile.bytesOf(body)
  return {
    status,
    headers,
    url,
    origin,
    body: Body.bytes(bytes),
    bytes: (limit) =>
      bytes.byteLength > limit ? Effect.fail(new RegistryError.SizeInvalid({ limit })) : Effect.succeed(bytes)
  }
}

const numbers = ["0", "9", String(bytes.byteLength), "-1", "1e3", "9007199254740992", "00", "1,1", "\u0663"]

/** The headers that the client reads, and the pieces of their values. */
const headerPieces: { readonly [name: string]: ReadonlyArray<string> } = {
  "content-type": [
    MediaType.index,
    MediaType.image,
    "application/json",
    "text/html",
    "; charset=utf-8",
    "a/b",
    "/",
    " "
  ],
  "content-length": numbers,
  "content-range": ["bytes ", "0-", "2-6/", "2-", "/", "*", "-", String(bytes.byteLength), ...numbers],
  "docker-content-digest": [digest, sha512, unverifiable, "sha256:", "../x", ":", "a"],
  location: [
    "/v2/team/app/blobs/uploads/2",
    "?state=3",
    "//",
    "http://",
    "https://",
    "evil.example",
    "user:pass@",
    "..",
    "#"
  ],
  range: ["0-", "0-0", "0--1", "bytes=", "-", ...numbers],
  "upload-offset": numbers,
  "oci-chunk-min-length": numbers,
  "oci-subject": [digest, "sha256:", "a", "\u001b[2J"],
  "oci-tag": [tag, "v1", ",", ", ", " ", "other"],
  "oci-filters-applied": ["artifactType", ",", " "],
  link: ["<", ">", "; rel=\"next\"", ";", ",", "\"", "\\", "rel=next", "/v2/_catalog?last=a", "https://evil.example/"],
  "retry-after": ["1", "Sun, 06 Nov 1994 08:49:37 GMT", "-", "9999999999999999999"],
  "__proto__": ["a"]
}

const headers: fc.Arbitrary<Answered["headers"]> = fc.array(
  fc.oneof(
    ...Object.entries(headerPieces).map(([name, pieces]) =>
      fc.tuple(fc.constant(name), hostile.text({ valid: fc.constantFrom(...pieces.slice(0, 3)), pieces }))
    )
  ),
  { maxLength: 3 }
).map((entries) => Object.fromEntries(entries))

const descriptors = fc.record({
  schemaVersion: fc.constant(2),
  manifests: fc.array(Arbitraries.descriptor, { maxLength: 3 })
})
const pages: { readonly [T in Page.ListOperation["_tag"]]: fc.Arbitrary<unknown> } = {
  ListRepositories: fc.record({ repositories: fc.array(Arbitraries.repositoryName, { maxLength: 3 }) }),
  ListTags: fc.record({ name: fc.constant(repository), tags: fc.array(Arbitraries.tag, { maxLength: 3 }) }),
  ListReferrers: descriptors
}

const failure = fc.record({
  errors: fc.array(fc.record({ code: fc.constantFrom("DENIED", "BLOB_UNKNOWN", "NO_SUCH_CODE"), message: fc.string() }))
})

/** A correct answer, from which the hostile ones are made. */
const good: Answered["headers"] = {
  "content-type": MediaType.index,
  "content-length": String(bytes.byteLength),
  "docker-content-digest": digest,
  location: "/v2/team/app/blobs/uploads/2?state=3",
  range: "0-9",
  "upload-offset": "10"
}

/** The status of a successful answer, for each operation. */
const statuses: { readonly [T in Operation.OperationTag]: number } = {
  ResolveBlob: 200,
  GetBlob: 200,
  ResolveManifest: 200,
  GetManifest: 200,
  PushBlob: 201,
  MountBlob: 201,
  StartUpload: 202,
  GetUpload: 204,
  AppendUpload: 202,
  CompleteUpload: 201,
  CancelUpload: 204,
  PushManifest: 201,
  DeleteBlob: 202,
  DeleteManifest: 202,
  DeleteTag: 202,
  ListRepositories: 200,
  ListTags: 200,
  ListReferrers: 200
}

const statusOf = (operation: Operation.OperationTag): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(statuses[operation]) },
    { weight: 3, arbitrary: fc.constantFrom(200, 201, 202, 204, 206) },
    { weight: 2, arbitrary: fc.constantFrom(301, 304, 307, 400, 401, 404, 405, 413, 416, 429, 500, 503) },
    { weight: 1, arbitrary: fc.nat(999) }
  )

const bodyOf = (operation: Operation.OperationTag): fc.Arbitrary<hostile.Content> =>
  isListTag(operation)
    ? hostile.json(pages[operation])
    : fc.constantFrom(content, content, content.slice(2), content.slice(2, 7), content.slice(-3))

/** Generates responses to an operation, correct ones included. */
export const answerTo = (operation: Operation.OperationTag): fc.Arbitrary<Answered> =>
  fc.record({
    sample: fc.nat(samples[operation].length - 1),
    status: statusOf(operation),
    base: fc.constantFrom(good, good, {}),
    headers,
    body: fc.oneof(
      { weight: 3, arbitrary: bodyOf(operation) },
      { weight: 1, arbitrary: hostile.json(failure) }
    )
  }).map(({ base, headers, ...rest }) => ({ ...rest, headers: { ...base, ...headers } }))

/** The headers that take longest to read, each in a response in which the client reads it. */
const readBy: { readonly [T in Operation.OperationTag]: ReadonlyArray<string> } = {
  ResolveBlob: ["content-length"],
  GetBlob: ["content-range"],
  ResolveManifest: [],
  GetManifest: ["content-type", "docker-content-digest"],
  PushBlob: [],
  MountBlob: [],
  StartUpload: ["location", "oci-chunk-min-length"],
  GetUpload: ["range", "upload-offset"],
  AppendUpload: [],
  CompleteUpload: [],
  CancelUpload: [],
  PushManifest: ["oci-subject", "oci-tag"],
  DeleteBlob: [],
  DeleteManifest: [],
  DeleteTag: [],
  ListRepositories: [],
  ListTags: ["link"],
  ListReferrers: ["oci-filters-applied"]
}

const bodies = (tag: Operation.OperationTag): ReadonlyArray<hostile.Shape> => {
  switch (tag) {
    case "ListTags":
      return hostile.worstJson("tags", `"a"`)
    case "ListRepositories":
      return hostile.worstJson("repositories", `"a"`)
    case "ListReferrers":
      return hostile.worstJson("manifests", JSON.stringify(descriptor))
    case "ResolveBlob":
    case "GetBlob":
    case "ResolveManifest":
    case "GetManifest":
    case "PushBlob":
    case "MountBlob":
    case "StartUpload":
    case "GetUpload":
    case "AppendUpload":
    case "CompleteUpload":
    case "CancelUpload":
    case "PushManifest":
    case "DeleteBlob":
    case "DeleteManifest":
    case "DeleteTag":
      return hostile.worstJson("errors", `{"code":""}`)
  }
}

const responseTo = (tag: Operation.OperationTag): Target =>
  target<Answered, unknown>({
    name: `response to ${tag}`,
    input: answerTo(tag),
    run: (answered) => read(operationOf(tag, answered.sample), received(answered)),
    laws: { "the result belongs to the operation": (result, { sample }) => isSound(operationOf(tag, sample), result) },
    worst: [
      ...bodies(tag).map(({ make, name }) => ({
        name: `a body of ${name}`,
        make: (length: number) => ({ sample: 0, status: isListTag(tag) ? 200 : 400, headers: good, body: make(length) })
      })),
      ...readBy[tag].flatMap((header) =>
        hostile.worst(headerPieces[header] ?? []).map(({ make, name }) => ({
          name: `a ${header} of ${name}`,
          make: (length: number) => ({
            sample: samples[tag].length - 1,
            status: header === "content-range" ? 206 : statuses[tag],
            headers: { ...good, [header]: make(length) },
            body: content
          })
        }))
      )
    ]
  })

/** The targets that read a response. */
export const responses: ReadonlyArray<Target> = (Object.keys(samples) as ReadonlyArray<Operation.OperationTag>).map(
  responseTo
)
