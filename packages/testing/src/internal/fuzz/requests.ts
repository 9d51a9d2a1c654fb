import * as Body from "@effect-oci/core/Body"
import * as Digest from "@effect-oci/core/Digest"
import * as Handler from "@effect-oci/core/Handler"
import * as Manifest from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Request from "@effect-oci/protocol/Request"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as RegistryServer from "@effect-oci/server/RegistryServer"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as fc from "fast-check"
import * as Arbitraries from "../../Arbitraries.js"
import * as hostile from "./hostile.js"
import * as sent from "./hostileRequest.js"
import { target } from "./target.js"
import type { Target } from "./target.js"

const namesOf = (operation: Operation.Operation): ReadonlyArray<string> => [
  ...Operation.repositories(operation).map(({ repository }) => repository),
  ...(operation._tag === "ListRepositories" && operation.last !== undefined ? [operation.last] : [])
]

/**
 * An id that a client invents may look like a URL, and the request then goes to that URL. It may also be invalid
 * Unicode.
 */
const isOdd = (operation: Operation.Operation): boolean =>
  "id" in operation && /^\/|^https?:\/\/|\p{Cs}/iu.test(operation.id)

const decoded = target({
  name: "request",
  input: sent.near(sent.valid),
  run: (request: sent.Sent) => Request.decode(sent.toWire(request)),
  laws: {
    "the result round-trips": (read) =>
      read._tag === "Ping" || isOdd(read) ||
      Effect.runSync(
        Request.decode(Request.encode(read)).pipe(
          Effect.map((again) => again._tag !== "Ping" && Operation.equivalence(again, Request.normal(read))),
          Effect.orElseSucceed(() => false)
        )
      ),
    "the repository names are valid": (read) => read._tag === "Ping" || namesOf(read).every(RepositoryName.is),
    "the references are tags or digests": (read) => {
      if (read._tag === "Ping") return true
      const { reference } = Operation.errorFields(read)
      return reference === undefined || Digest.is(reference) || Tag.is(reference)
    }
  },
  worst: sent.worst
})

const home = RepositoryName.make("team/app")
const openUpload = { id: "/v2/team/app/blobs/uploads/held?state=1", offset: 3 }
const empty = Body.bytes(new Uint8Array(0))

/** An upload session of the registry. Requests with an unknown id, or in another repository, must not reach it. */
const known = (
  operation: Operation.GetUpload | Operation.AppendUpload | Operation.CompleteUpload | Operation.CancelUpload
) =>
  operation.id === openUpload.id && operation.repository === home
    ? Effect.succeed(openUpload)
    : Effect.dieMessage("an id of an upload that was never given")

const missing =
  <E extends RegistryError.RegistryError>(Class: new(fields: RegistryError.ErrorFields) => E) =>
  (operation: Operation.Operation): Effect.Effect<never, E> => Effect.fail(new Class(Operation.errorFields(operation)))

const blobUnknown = missing(RegistryError.BlobUnknown)
const manifestUnknown = missing(RegistryError.ManifestUnknown)

/** A registry that contains only an upload session, and accepts everything. */
const registry: Handler.Handler = Handler.fromTable({
  ResolveBlob: blobUnknown,
  GetBlob: blobUnknown,
  ResolveManifest: manifestUnknown,
  GetManifest: manifestUnknown,
  PushBlob: ({ descriptor }) => Effect.succeed(descriptor),
  MountBlob: ({ digest }) => Effect.succeed(new Operation.Mounted({ digest })),
  StartUpload: () => Effect.succeed(openUpload),
  GetUpload: known,
  AppendUpload: known,
  CompleteUpload: (operation) =>
    Effect.as(known(operation), { mediaType: "application/octet-stream", digest: operation.digest, size: 3 }),
  CancelUpload: (operation) => Effect.as(known(operation), Operation.done),
  PushManifest: ({ bytes, digest, mediaType, tags }) =>
    Effect.map(Manifest.make({ bytes, digest, mediaType }), ({ descriptor }) => ({ ...descriptor, tags })),
  DeleteBlob: blobUnknown,
  DeleteManifest: manifestUnknown,
  DeleteTag: manifestUnknown,
  ListRepositories: () => Effect.succeed(Stream.make(home)),
  ListTags: () => Effect.succeed(Stream.make(Tag.make("latest"))),
  ListReferrers: ({ digest }) => Effect.succeed(Stream.make({ mediaType: "a/b", digest, size: 1 }))
})

const uploadKey = Redacted.make("fuzz")

/** Answers on a server of its own, so that no request waits for the work of an earlier one. */
const answer = (request: Wire.Request): Effect.Effect<Wire.Response> =>
  RegistryServer.make({ uploadKey })(registry)(request)

const started = Effect.runSync(
  answer({ method: "POST", target: `/v2/${home}/blobs/uploads/`, headers: {}, body: empty })
)

const location = started.headers["location"] ?? ""

/** The operations of a client on an upload session, here and on another host. */
const uploads: fc.Arbitrary<sent.Sent> = fc.record({
  method: fc.constantFrom("GET", "PATCH", "PUT", "DELETE"),
  target: fc.constantFrom(location, location.replace(home, "team/other"), location.replace(/\.[^.]*$/, "")),
  query: Arbitraries.digest.map((digest) => `?digest=${digest}`),
  headers: fc.constantFrom({}, { "content-range": "3-5" }, { "upload-offset": "3" }),
  body: fc.constantFrom(undefined, "abc"),
  comes: fc.constant<sent.Sent["comes"]>("whole")
}).map(({ query, target, ...rest }) => ({ ...rest, target: target + (rest.method === "PUT" ? query : "") }))

/** The answer to a request, and the log lines. */
interface Served {
  readonly response: Wire.Response
  readonly logged: ReadonlyArray<string>
}

const serve = (request: sent.Sent): Effect.Effect<Served> =>
  Effect.suspend(() => {
    const logged: Array<string> = []
    const logger = Logger.make(({ annotations, message }) => {
      logged.push(String(message), ...Array.from(annotations, ([name, value]) => `${name}=${String(value)}`))
    })
    return answer(sent.toWire(request)).pipe(
      Effect.map((response) => ({ response, logged })),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger))
    )
  })

const served = target({
  name: "request to a server",
  input: fc.oneof(sent.near(uploads), sent.near(sent.valid)),
  run: serve,
  laws: {
    "the server responds, and passes on only ids of open upload sessions": ({ response: { status } }) =>
      status >= 200 && status < 500,
    "no response header contains a line break": ({ response }) =>
      Object.entries(response.headers).every((header) => header.every((text) => !/[^\t\x20-\x7e]/.test(text ?? ""))),
    "the log lines are safe to log": ({ logged }) =>
      logged.every((line) => line.length < 16_384 && !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(line)),
    "the response has the length of its Content-Length": ({ response: { body, headers } }, { method }) =>
      method === "HEAD"
        ? body === undefined
        : headers["content-length"] === undefined || Number(headers["content-length"]) === (body?.size ?? 0)
  },
  worst: hostile.worst([".", "a", "-", "=", "%2e", location]).map(({ make, name }) => ({
    name: `an id of ${name}`,
    make: (length): sent.Sent => ({
      method: "GET",
      target: `/v2/${home}/blobs/uploads/${make(length)}`,
      headers: {},
      body: undefined,
      comes: "whole"
    })
  }))
})

/** The targets that read a request. */
export const requests: ReadonlyArray<Target> = [decoded, served]
