/** What the tests of hostile registries share: each is watched over. */
import { Credential, Credentials } from "@effect-oci/auth"
import { Client } from "@effect-oci/client"
import * as NodeAddressGuard from "@effect-oci/client/NodeAddressGuard"
import { Body, Descriptor, Digest, MediaType, Registry, RepositoryName, Tag } from "@effect-oci/core"
import { Logging, Tracing } from "@effect-oci/middleware"
import { NodeHttpClient } from "@effect/platform-node"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { it } from "@effect/vitest"
import { Context, Effect, identity, Layer, LogLevel } from "effect"
import type { Scope } from "effect"
import * as EvilRegistry from "../../src/EvilRegistry.js"
import * as NodeEvilRegistry from "../../src/NodeEvilRegistry.js"

export type Evil = EvilRegistry.Watched
export type Site = EvilRegistry.Site

const watch = <A, E>(test: (evil: Evil) => Effect.Effect<A, E, Scope.Scope>) =>
  EvilRegistry.watched(Effect.flatMap(EvilRegistry.EvilRegistry, test)).pipe(Effect.provide(NodeEvilRegistry.layer))

/** A test on a network of its own, after which nobody may have got to know a secret that was not for him. */
export const evil = <A, E>(name: string, test: (evil: Evil) => Effect.Effect<A, E, Scope.Scope>) =>
  it.scopedLive(name, () => watch(test))

/** The same for each row of a table. */
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
  /** What the program has its HTTP client do to every request. */
  readonly adding?: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest
}

const isLayer = (
  credentials: NonNullable<Options["credentials"]>
): credentials is Layer.Layer<Credentials.Credentials> => Layer.isLayer(credentials)

/** The client of a registry, which may lead anywhere, and is asked once, unless said otherwise. */
export const connect = (
  evil: Evil,
  site: Site,
  { adding = identity, credentials = {}, ...options }: Options = {}
): Effect.Effect<Registry.Service, never, Scope.Scope> => {
  const known = isLayer(credentials) ? credentials : Credentials.layerStatic(credentials)
  const guard = NodeAddressGuard.layer({ lookup: NodeEvilRegistry.lookup(evil), connect: { ca: evil.certificate } })
  const http = Layer.project(
    NodeHttpClient.layerUndiciWithoutDispatcher.pipe(Layer.provide(guard)),
    HttpClient.HttpClient,
    HttpClient.HttpClient,
    HttpClient.mapRequest(adding)
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

/** The credentials of a site, for a user called alice. */
export const alice = (site: Pick<Site, "host">, password: string) => ({
  [site.host]: Credential.basic("alice", password)
})

export const repository = RepositoryName.make("team/app")
export const tag = Tag.make("v1")

export const blob = new TextEncoder().encode("hello, world")
export const descriptor = Descriptor.fromBytes(blob)
export const digest = Digest.fromBytes(blob)
export const body = Body.bytes(blob)

export const image = new TextEncoder().encode(JSON.stringify({
  schemaVersion: 2,
  mediaType: MediaType.image,
  config: Descriptor.fromBytes(new TextEncoder().encode("{}"), MediaType.empty),
  layers: []
}))
export const imageDigest = Digest.fromBytes(image)

/** A registry that is as it should be, of one image and one blob. */
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

/** Asks for a user and a password first. */
export const behindBasic = (password: string, script: EvilRegistry.Script): EvilRegistry.Script => (asked, count) =>
  EvilRegistry.header(asked, "authorization") === `Basic ${btoa(`alice:${password}`)}`
    ? script(asked, count)
    : { status: 401, headers: { "www-authenticate": `Basic realm="registry"` } }

/** Asks for one of these tokens first, which a token server gives out. */
export const behindBearer = (
  challenge: string | (() => string),
  tokens: ReadonlyArray<string>,
  script: EvilRegistry.Script
): EvilRegistry.Script =>
(asked, count) =>
  tokens.includes(EvilRegistry.header(asked, "authorization")?.replace(/^Bearer /, "") ?? "")
    ? script(asked, count)
    : { status: 401, headers: { "www-authenticate": typeof challenge === "string" ? challenge : challenge() } }

/** A token server that gives everybody this token. */
export const giving = (token: string): EvilRegistry.Script => () => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ token, expires_in: 300 })
})

/** The headers in which a client shows who asks. */
export const secretsOf = (site: Site): ReadonlyArray<string> =>
  site.asked.flatMap(({ headers }) =>
    headers.filter(([name]) => ["authorization", "proxy-authorization", "cookie"].includes(name)).map(([name]) => name)
  )
