/** The servers that the program in a runtime uses, and the one that it reports to. All listen on 127.0.0.1. */
import * as Conformance from "@effect-oci/conformance/Conformance"
import * as Answer from "@effect-oci/core/Answer"
import { BlobContent } from "@effect-oci/core/BlobContent"
import type { Descriptor } from "@effect-oci/core/Descriptor"
import * as Handler from "@effect-oci/core/Handler"
import { Registry } from "@effect-oci/core/Registry"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import * as NodeHop from "@effect-oci/testing/NodeHop"
import * as NodeS3 from "@effect-oci/testing/NodeS3"
import * as NodeTemporary from "@effect-oci/testing/NodeTemporary"
import * as S3 from "@effect-oci/testing/S3"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { Event, Settings } from "./program/Check.js"
import * as content from "./program/content.js"
import * as guarded from "./program/guarded.js"

/** Serves a registry to programs and to web pages of all origins. Returns `host:port`. */
const serve = (registry: Layer.Layer<Registry>, options: NodeHop.Options = {}) =>
  Effect.map(
    Layer.build(NodeHop.served(registry, { cors: { origins: "*" }, ...options })),
    (context) => Context.get(context, NodeRegistryServer.Address).authority
  )

/** Lets web pages of all origins use a bucket, as a bucket has to be configured for browsers. */
const shared = (s3: S3.S3): S3.S3 => {
  const allow = (response: Response, request: Request) => {
    const { headers } = response
    headers.set("access-control-allow-origin", "*")
    headers.set("access-control-allow-methods", "GET, HEAD, PUT, POST, DELETE")
    headers.set("access-control-allow-headers", request.headers.get("access-control-request-headers") ?? "*")
    headers.set("access-control-expose-headers", "*")
    return response
  }
  return {
    ...s3,
    handle: (request) =>
      Effect.map(
        request.method === "OPTIONS" ? Effect.succeed(new Response(null, { status: 204 })) : s3.handle(request),
        (response) => allow(response, request)
      )
  }
}

/** Adds the large blob to a registry, in a repository of its own. */
const withLarge = (registry: Layer.Layer<Registry>, { digest, mediaType, size }: Descriptor) =>
  Layer.map(registry, (context) => {
    const { handle } = Context.get(context, Registry)
    const added = Handler.override(handle, {
      GetBlob: (operation) =>
        operation.repository === content.largeRepository && operation.digest === digest
          ? Answer.succeed(
            new BlobContent({ descriptor: { mediaType, digest, size }, body: content.large, verified: true })
          )
          : handle(operation)
    })
    return Context.make(Registry, Registry.fromHandler(added))
  })

const startServers: Effect.Effect<Omit<Settings, "checks">, never, Scope.Scope> = Effect.gen(function*() {
  const durable = Layer.succeedContext(yield* Layer.build(NodeTemporary.durable({ anonymousMount: true })))
  const large = content.describeLarge()
  const registry = yield* serve(withLarge(durable, large))
  const redirecting = yield* serve(durable, {
    redirect: ({ digest, repository }) => Effect.succeed(new URL(`http://${registry}/v2/${repository}/blobs/${digest}`))
  })
  const options = yield* guarded.options(({ headers }) => `http://${headers["host"]}/token`)
  const { origin: s3 } = yield* NodeS3.serve(shared(S3.make()))
  return {
    registry,
    large,
    redirecting,
    guarded: yield* serve(durable, options),
    user: guarded.user,
    password: guarded.password,
    s3,
    ...S3.credentials
  }
})

/** Runs the conformance suite against a URL, and returns the failures. */
const conformance = (url: string): Effect.Effect<ReadonlyArray<string>> =>
  Conformance.run().pipe(
    Effect.map(({ results }) =>
      results.flatMap(({ check, outcome }) => outcome._tag === "Failed" ? [`${check.id}: ${outcome.reason}`] : [])
    ),
    Effect.provide(Conformance.layerUrl(url)),
    Effect.provide(NodeHttpClient.layerUndici)
  )

const page = `<!doctype html><title>runtimes</title><script type="module" src="/program.js"></script>`

/** The server that a program reports to. */
export interface Control {
  /** Its URL, without a slash at its end. */
  readonly url: string
  readonly events: Queue.Dequeue<Event>
}

/** Starts all servers. They serve a program for browsers, and ask it to run the checks. */
export const start = (checks: ReadonlyArray<string>, program: string): Effect.Effect<Control, never, Scope.Scope> =>
  Effect.gen(function*() {
    const settings = { ...yield* startServers, checks }
    const events = yield* Queue.unbounded<Event>()
    const received = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ json }) => json)
    const app = HttpRouter.empty.pipe(
      HttpRouter.get("/", HttpServerResponse.html(page)),
      HttpRouter.get("/program.js", HttpServerResponse.text(program, { contentType: "text/javascript" })),
      HttpRouter.get("/settings", HttpServerResponse.json(settings)),
      HttpRouter.post(
        "/events",
        Effect.flatMap(
          received,
          (event) => Effect.zipRight(events.offer(event as Event), HttpServerResponse.json(null))
        )
      ),
      HttpRouter.post(
        "/conformance",
        Effect.flatMap(
          received,
          (request) => Effect.flatMap(conformance((request as { url: string }).url), HttpServerResponse.json)
        )
      )
    )
    const server = yield* Layer.build(
      NodeHttpServer.layer(() => createServer({ keepAliveTimeout: 0 }), { port: 0, host: "127.0.0.1" })
    )
    yield* Layer.build(HttpServer.serve(app).pipe(Layer.provide(Layer.succeedContext(server))))
    const { address } = Context.get(server, HttpServer.HttpServer)
    return { url: `http://127.0.0.1:${address._tag === "TcpAddress" ? address.port : 0}`, events }
  }).pipe(Effect.orDie)
