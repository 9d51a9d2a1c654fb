import * as Answer from "@effect-oci/core/Answer"
import type * as BlobContent from "@effect-oci/core/BlobContent"
import * as Body from "@effect-oci/core/Body"
import * as Caller from "@effect-oci/core/Caller"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type * as Digest from "@effect-oci/core/Digest"
import type * as Handler from "@effect-oci/core/Handler"
import * as Middleware from "@effect-oci/core/Middleware"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as UploadIds from "@effect-oci/core/UploadIds"
import type { Guard } from "@effect-oci/guard/Guard"
import * as ErrorBody from "@effect-oci/protocol/ErrorBody"
import * as Page from "@effect-oci/protocol/Page"
import * as Request from "@effect-oci/protocol/Request"
import * as Response from "@effect-oci/protocol/Response"
import type * as Wire from "@effect-oci/protocol/Wire"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { admitted, begin } from "./admission.js"
import * as bodiesInMemory from "./bodiesInMemory.js"
import type * as byteBudget from "./byteBudget.js"
import * as cursorMaps from "./cursors.js"
import * as report from "./report.js"
import { total } from "./totalAnswer.js"
import type { Respond } from "./totalAnswer.js"
import * as turns from "./turns.js"

export interface Settings {
  readonly uploadIds: UploadIds.UploadIds
  readonly maxManifestBytes: number
  readonly maxPageSize: number
  readonly maxPageBytes: number
  readonly bytesInFlight: byteBudget.Limits
  readonly redirect: ((operation: Operation.GetBlob) => Answered<Option.Option<URL>>) | undefined
  readonly guard: Guard | undefined
  readonly addressOf: (request: Wire.Request) => string | undefined
}

type Listing = Operation.WithShape<"list">
type Answered<A> = Effect.Effect<A, RegistryError.RegistryError>
type Plain = Operation.WithShape<"value">

const pong: Wire.Response = {
  status: 200,
  headers: {
    "content-type": "application/json",
    "content-length": "2",
    "docker-distribution-api-version": "registry/2.0"
  },
  body: Body.bytes(new TextEncoder().encode("{}"))
}

/** A marker: the server sends the blob itself, without a redirect. */
const here: Wire.Response = { status: 200, headers: {}, body: undefined }

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
 * Maps the result or the error of an operation to a response. If the answer is not settled, only the wait for it can be
 * interrupted.
 */
const respond = <A>(
  effect: Answered<A>,
  operation: Operation.Operation,
  onSuccess: (result: A) => Wire.Response
): Effect.Effect<Wire.Response> => {
  return Answer.match(Answer.ifPending(effect, Effect.interruptible), {
    onSuccess,
    onFailure: (error) => ErrorBody.encode(error, operation)
  })
}

export const make = (handler: Handler.Handler, settings: Settings): Respond => {
  const { addressOf, guard, maxManifestBytes, maxPageBytes, maxPageSize, redirect, uploadIds } = settings
  const handle = Middleware.verified(handler)
  const cursors = cursorMaps.make<unknown>()

  const plain = (operation: Plain, request: Wire.Request, { name }: Caller.Identity): Effect.Effect<Wire.Response> => {
    const opened = UploadIds.openOperation(uploadIds, operation, name)
    if (opened === undefined) {
      const unknown = new RegistryError.BlobUploadUnknown(Operation.errorFields(operation))
      return report.refused(request, unknown, ErrorBody.encode(unknown, operation))
    }
    // The operations of `plain` need no scope: `GetBlob` is not one of them.
    return respond(
      handle(opened) as Answered<unknown>,
      operation,
      (result) =>
        Response.encode<Plain>(operation, UploadIds.sealResult<Plain>(uploadIds, operation, result as never, name))
    )
  }

  /** Redirects to another URL of a blob, only after the registry has let the caller see the blob. */
  const elsewhere = (
    operation: Operation.GetBlob,
    redirect: NonNullable<Settings["redirect"]>
  ): Effect.Effect<Wire.Response> => {
    const { digest, repository } = operation
    const found = Effect.flatMap(handle(new Operation.ResolveBlob({ repository, digest })), () => redirect(operation))
    return Effect.flatMap(
      respond(found, operation, Option.match({ onNone: () => here, onSome: (url) => moved(url, digest) })),
      (response) => response === here ? blob(operation) : Effect.succeed(response)
    )
  }

  /**
   * Answers with a blob. Content in memory needs no scope. Other content stays open until it is sent: the `close` of
   * the response closes the scope.
   */
  const blob = (operation: Operation.GetBlob): Effect.Effect<Wire.Response> => {
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
    const effect = handle(operation)
    if (Answer.settled(effect) !== undefined) {
      return respond(effect as Answered<BlobContent.BlobContent>, operation, encode)
    }
    return Effect.flatMap(Scope.make(), (scope) =>
      Effect.interruptible(Scope.extend(effect, scope)).pipe(
        Effect.map((content) => encode(content, scope)),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
        Effect.catchAll((error) => Answer.succeed(ErrorBody.encode(error, operation)))
      ))
  }

  /** Returns a page of referrers: the page after the last one that the caller received, or the first page. */
  const referrersPage = (
    operation: Operation.ListReferrers,
    request: Wire.Request,
    list: Answered<Stream.Stream<unknown, RegistryError.RegistryError>>
  ): Answered<Page.Page<unknown>> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        // The registry decides again whether the caller may see the list. Spec: an unknown repository has no referrers.
        const stream = yield* restore(Effect.catchTag(list, "NameUnknown", () => Effect.succeed(Stream.empty)))
        const { target } = Request.encode(operation)
        const last = Page.last(operation, request.target)
        const cursor = last === undefined ? undefined : yield* cursors.take(target, last)
        const reading = cursor ?? (yield* cursorMaps.Reading.open(Page.resume(operation, stream, request.target)))
        const page = yield* restore(Page.take(reading.items, maxPageSize, maxPageBytes)).pipe(
          Effect.catchTag("NameUnknown", () => Effect.succeed<Page.Page<unknown>>({ items: [], more: false })),
          Effect.onError(() => reading.close)
        )
        const final = page.items[page.items.length - 1] as Descriptor | undefined
        reading.sent(page.items.length)
        yield* page.more && final !== undefined ? cursors.put(target, final.digest, reading) : reading.close
        return page
      })
    )

  const list = (operation: Listing, request: Wire.Request): Effect.Effect<Wire.Response> => {
    const size = Page.size(operation, maxPageSize)
    const items = handle(Page.widen(operation, size)) as Answered<
      Stream.Stream<unknown, RegistryError.RegistryError>
    >
    const page = operation._tag === "ListReferrers"
      ? referrersPage(operation, request, items)
      : Effect.flatMap(items, (stream) => Page.take(stream, size, maxPageBytes))
    return respond(page, operation, (page) =>
      Response.encodePage(operation, page as never, {
        next: page.more ? Page.nextTarget(operation, page, size) : undefined,
        filtered: operation._tag === "ListReferrers" && operation.artifactType !== undefined
      }))
  }

  const run = (
    operation: Operation.Operation | Request.Ping,
    request: Wire.Request,
    caller: Caller.Identity
  ): Effect.Effect<Wire.Response> =>
    operation._tag === "Ping" ? Answer.succeed(pong) : Operation.matchShape(operation, {
      value: (operation) => plain(operation, request, caller),
      content: (operation) => redirect === undefined ? blob(operation) : elsewhere(operation, redirect),
      list: (operation) => list(operation, request)
    })

  const networkOf = (request: Wire.Request): string | undefined => {
    const address = addressOf(request)
    return address === undefined ? undefined : Caller.networkOf(address)
  }

  /** Runs an operation for its caller. A settled answer did not read the caller. */
  const runAs = (
    operation: Operation.Operation | Request.Ping,
    caller: Caller.Identity,
    request: Wire.Request
  ): Effect.Effect<Wire.Response> =>
    Answer.ifPending(run(operation, request, caller), (response) => {
      const network = networkOf(request)
      return Effect.flatMap(
        Caller.Caller,
        (ambient) =>
          Effect.provideService(response, Caller.Caller, {
            ...(caller === Caller.anonymous ? ambient : caller),
            network
          })
      )
    })

  const inMemory = bodiesInMemory.make(settings.bytesInFlight)

  const inTurn = turns.make()

  return total((request) => {
    const client = () => networkOf(request) ?? ""
    const bodies = inMemory(client)
    const limits = { maxManifestBytes, inMemory: bodies.request }
    const runCounted = (operation: Operation.Operation | Request.Ping, caller: Caller.Identity) => {
      const run = () => Answer.map(runAs(operation, caller, request), bodies.response)
      return operation._tag === "Ping" ? run() : Operation.matchShape(operation, {
        value: (operation) => isLarge(operation) ? inTurn(client(), run) : run(),
        // The content of a blob is a stream, or is already in the memory of the store.
        content: (operation) => runAs(operation, caller, request),
        list: () => inTurn(client(), () => bodies.list(maxPageBytes, run))
      })
    }
    const response = guard === undefined
      ? begin(request, Request.decode(request, limits), (operation) => runCounted(operation, Caller.anonymous))
      : begin(request, admitted(guard, request, limits), ({ caller, operation }) => runCounted(operation, caller))
    return Answer.ifPending(response, Effect.ensuring(bodies.release))
  })
}

/** The size from which a manifest takes long to parse, in bytes. */
const largeManifest = 64 * 1024

const isLarge = (operation: Plain): boolean =>
  operation._tag === "PushManifest" && operation.bytes.byteLength > largeManifest
