/** Helpers of the tests with malicious registries. Each test fails if a secret leaks. */
import { Credential, Credentials } from "@effect-oci/auth"
import { Client } from "@effect-oci/client"
import { Body, Descriptor, Digest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Logging, Tracing } from "@effect-oci/middleware"
import * as NodeAddressGuard from "@effect-oci/transport/NodeAddressGuard"
import { NodeHttpClient } from "@effect/platform-node"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { it } from "@effect/vitest"
import { Context, Effect, identity, Layer, LogLevel } from "effect"
import type { Scope } from "effect"
import * as EvilRegistry from "../../src/EvilRegistry.js"
import * as Fixtures from "../../src/Fixtures.js"
import * as NodeEvilRegistry from "../../src/NodeEvilRegistry.js"

export type Evil = EvilRegistry.Watched
export type Site = EvilRegistry.Site

const watch = <A, E>(test: (evil: Evil) => Effect.Effect<A, E, Scope.Scope>) =>
  EvilRegistry.watched(Effect.flatMap(EvilRegistry.EvilRegistry, test)).pipe(Effect.provide(NodeEvilRegistry.layer))

/** Defines a test with a network of its own. The test fails if a secret leaks. */
export const evil = <A, E>(name: string, test: (evil: Evil) => Effect.Effect<A, E, Scope.Scope>) =>
  it.scopedLive(name, () => watch(test))

/** Defines such a test for each row of a table. */
export const evilEach = <Row>(
  rows: ReadonlyArray<Row>,
  name: (row: Row) => string,
  test: (row: Row, evil: Evil) => Effect.Effect<unknown, unknown, Scope.Scope>
) => {
  for (const row of rows) evil(name(row), (evil) => test(row, evil))
}

export type Options = Omit<Client.Options & Client.TransportOptions, "host"> & {
  readonly host?: string
  readonly credentials?: { readonly [host: string]: Credential.Credential } | Layer.Layer<Credentials.Credentials>
  /** Changes every request of the HTTP client, as a program may. Default: no change. */
  readonly mapRequest?: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest
}

const isLayer = (
  credentials: NonNullable<Options["credentials"]>
): credentials is Layer.Layer<Credentials.Credentials> => Layer.isLayer(credentials)

/** Creates a client for a site. Default: private addresses are allowed, and requests are not retried. */
export const connect = (
  evil: Evil,
  site: Site,
  { mapRequest = identity, credentials = {}, ...options }: Options = {}
): Effect.Effect<Registry.Service, never, Scope.Scope> => {
  const known = isLayer(credentials) ? credentials : Credentials.layerStatic(credentials)
  const guard = NodeAddressGuard.layer({ lookup: NodeEvilRegistry.lookup(evil), connect: { ca: evil.certificate } })
  const http = Layer.project(
    NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(guard)),
    HttpClient.HttpClient,
    HttpClient.HttpClient,
    HttpClient.mapRequest(mapRequest)
  )
  return Client.layer({
    host: site.host,
    insecure: site.origin.startsWith("http:"),
    allowPrivate: true,
    retry: { retries: 0 },
    ...options
  }).pipe(
    Logging.wrap({ level: LogLevel.Debug }),
    Tracing.wrap(),
    Layer.provide([known, http]),
    Layer.build,
    Effect.map(Context.get(Registry))
  )
}

/** Returns credentials of the user alice for a site. */
export const alice = (site: Pick<Site, "host">, password: string) => ({
  [site.host]: Credential.basic("alice", password)
})

export const repository = RepositoryName.make("team/app")
export const tag = Tag.make("v1")

export const blob = new TextEncoder().encode("hello, world")
export const descriptor = Descriptor.fromBytes(blob)
export const digest = Digest.fromBytes(blob)
export const body = Body.bytes(blob)

export const image = Fixtures.document(MediaType.image, {
  config: Descriptor.fromBytes(Fixtures.bytesOf("{}"), MediaType.empty),
  layers: []
}).bytes
export const imageDigest = Digest.fromBytes(image)

/** A correct registry with one image and one blob. */
export const honest: EvilRegistry.Script = ({ method, target }) => {
  const [path = ""] = target.split("?")
  if (path.includes("/manifests/")) {
    return method === "PUT"
      ? { status: 201, headers: { location: path, "docker-content-digest": imageDigest } }
      : {
        status: 200,
        headers: { "content-type": MediaType.image, "docker-content-digest": imageDigest },
        body: image
      }
  }
  if (path.endsWith("/blobs/uploads/")) return { status: 202, headers: { location: `${path}1` } }
  if (path.includes("/blobs/uploads/")) {
    return method === "DELETE" ? { status: 204 } : { status: 201, headers: { location: path } }
  }
  if (path.includes("/blobs/")) return { status: 200, body: blob }
  if (path.endsWith("/tags/list")) {
    return { status: 200, headers: { "content-type": "application/json" }, body: `{"name":"a","tags":["v1"]}` }
  }
  return { status: path === "/v2/" ? 200 : 404 }
}

/** Requires the password of alice. */
export const behindBasic = (password: string, script: EvilRegistry.Script): EvilRegistry.Script => (request, count) =>
  EvilRegistry.header(request, "authorization") === `Basic ${btoa(`alice:${password}`)}`
    ? script(request, count)
    : { status: 401, headers: { "www-authenticate": `Basic realm="registry"` } }

/** Requires one of the tokens, which a token server issues. */
export const behindBearer = (
  challenge: string | (() => string),
  tokens: ReadonlyArray<string>,
  script: EvilRegistry.Script
): EvilRegistry.Script =>
(request, count) =>
  tokens.includes(EvilRegistry.header(request, "authorization")?.replace(/^Bearer /, "") ?? "")
    ? script(request, count)
    : { status: 401, headers: { "www-authenticate": typeof challenge === "string" ? challenge : challenge() } }

/** Creates a token server that issues this token to every client. */
export const tokenServer = (token: string): EvilRegistry.Script => () => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ token, expires_in: 300 })
})

/** Returns the headers that identify the caller, from all requests that a site received. */
export const secretsOf = (site: Site): ReadonlyArray<string> =>
  site.requests.flatMap(({ headers }) =>
    headers.filter(([name]) => ["authorization", "proxy-authorization", "cookie"].includes(name)).map(([name]) => name)
  )
