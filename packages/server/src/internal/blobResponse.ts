import * as Answer from "@effect-oci/core/Answer"
import type * as BlobContent from "@effect-oci/core/BlobContent"
import type * as Digest from "@effect-oci/core/Digest"
import type { Handler } from "@effect-oci/core/Handler"
import * as Operation from "@effect-oci/core/Operation"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import * as Response from "@effect-oci/protocol/Response"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as report from "./report.js"
import { respond } from "./respond.js"
import type { Answered } from "./respond.js"

/** Returns another URL of a blob, if it has one. */
export type Redirect = (operation: Operation.GetBlob) => Answered<URL | undefined>

/** Answers with a blob: with its content, or with a redirect to another URL. */
export const make =
  (handle: Handler, redirect: Redirect | undefined) => (operation: Operation.GetBlob): Effect.Effect<Wire.Response> =>
    redirect === undefined ? content(handle, operation) : redirected(handle, operation, redirect)

/** A marker: the server sends the blob itself, without a redirect. */
const here: Wire.Response = { status: 200, headers: {}, body: undefined }

/** Redirects to another URL of a blob, only after the registry has let the caller see the blob. */
const redirected = (
  handle: Handler,
  operation: Operation.GetBlob,
  redirect: Redirect
): Effect.Effect<Wire.Response> => {
  const { digest, repository } = operation
  const found = Effect.flatMap(handle(new Operation.ResolveBlob({ repository, digest })), () => redirect(operation))
  return Effect.flatMap(
    respond(found, operation, (url) => url === undefined ? here : moved(url, digest)),
    (response) => response === here ? content(handle, operation) : Effect.succeed(response)
  )
}

/**
 * Redirects the client to another URL of a blob. The URL may be secret and may expire, so the answer must not be
 * cached. See https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs
 */
const moved = (url: URL, digest: Digest.Digest): Wire.Response => ({
  status: 307,
  headers: {
    location: url.href,
    "cache-control": "no-store",
    "content-length": "0",
    "docker-content-digest": digest
  },
  body: undefined
})

/**
 * Answers with the content of a blob. Content in memory needs no scope. Other content stays open until it is sent: the
 * `close` of the response closes the scope.
 */
const content = (handle: Handler, operation: Operation.GetBlob): Effect.Effect<Wire.Response> => {
  const encode = (content: BlobContent.BlobContent, scope?: Scope.CloseableScope): Wire.Response => {
    const response = Response.encode(operation, content)
    if (scope === undefined && response.body?.bytes !== undefined) return response
    const close = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.zipRight(
        report.brokenOff(operation, exit),
        scope === undefined ? Effect.void : Scope.close(scope, exit)
      )
    return { ...response, close }
  }
  const answer = handle(operation)
  if (Answer.settled(answer) !== undefined) {
    return respond(answer as Answered<BlobContent.BlobContent>, operation, encode)
  }
  return Effect.flatMap(Scope.make(), (scope) =>
    Effect.interruptible(Scope.extend(answer, scope)).pipe(
      Effect.map((content) => encode(content, scope)),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
      Effect.catchAll((error) => Answer.succeed(ErrorBody.encode(error, operation)))
    ))
}
