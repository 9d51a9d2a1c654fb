/**
 * A policy gateway before another registry. Its users log in, and see only what is below their own name; tags stay where
 * they are; pushes are looked at; and all of it is logged and counted. Its settings are variables of the environment: see
 * the README.
 */
import { Credential, Credentials, Guard } from "@effect-oci/auth"
import * as NodeHtpasswd from "@effect-oci/auth/NodeHtpasswd"
import { Client } from "@effect-oci/client"
import {
  Handler,
  Manifest,
  MediaType,
  Operation,
  ReferenceSet,
  Registry,
  RegistryError,
  RepositoryName
} from "@effect-oci/core"
import type { Caller, Middleware } from "@effect-oci/core"
import { Filter, Immutable, Logging, Metrics, Retry } from "@effect-oci/middleware"
import { NodeRegistryServer } from "@effect-oci/server"
import { Config, Effect, Exit, Layer, Option } from "effect"
import * as Prometheus from "./prometheus.js"

/** What may be pushed, and which tags move. */
export interface Rules {
  /** Who sees all repositories. */
  readonly admin: string
  /** The tags that move, as globs; all others are immutable. */
  readonly movingTags: ReadonlyArray<string>
  /** The media types that a manifest may have. */
  readonly mediaTypes: ReadonlyArray<string>
  /** How large a blob may be, in bytes. */
  readonly maxBlobBytes: number
}

/** What each caller sees: the one place to change. The same set again for the same name. */
const visible = (admin: string): (caller: Caller.Identity) => ReferenceSet.ReferenceSet => {
  const sets = new Map<string, ReferenceSet.ReferenceSet>([[admin, ReferenceSet.all]])
  return ({ name }) => {
    if (name === undefined || (name !== admin && !RepositoryName.is(name))) return ReferenceSet.none
    let set = sets.get(name)
    if (set === undefined) sets.set(name, set = ReferenceSet.prefix(`${name}/`))
    return set
  }
}

const denied = (operation: Operation.Operation, reason: string) =>
  Exit.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))

/**
 * Looks at pushes. A blob that says its size is refused at once; one that came in chunks when a manifest names it, by the
 * size that the registry knows.
 */
const inspected = ({ maxBlobBytes, mediaTypes }: Rules): Middleware.Middleware => (next) => {
  const tooLarge = `it is larger than ${maxBlobBytes} bytes, which is all that the gateway takes`
  return Handler.override(next, {
    PushBlob: (operation) => operation.descriptor.size > maxBlobBytes ? denied(operation, tooLarge) : next(operation),
    PushManifest: (operation) => {
      const { bytes, mediaType, repository } = operation
      if (!mediaTypes.includes(MediaType.essence(mediaType))) {
        return denied(operation, `the gateway takes no "${mediaType}", but only ${mediaTypes.join(", ")}`)
      }
      const named = Effect.map(
        Manifest.parse({ mediaType, bytes }),
        (document) => Manifest.references(document).filter(({ kind }) => kind === "config" || kind === "blob")
      )
      return named.pipe(
        Effect.mapError((error) => RegistryError.withFields(error, Operation.errorFields(operation))),
        Effect.flatMap(Effect.forEach(
          ({ descriptor: { digest } }) => Effect.option(next(new Operation.ResolveBlob({ repository, digest }))),
          { concurrency: 4 }
        )),
        Effect.flatMap((blobs) =>
          blobs.some((blob) => Option.isSome(blob) && blob.value.size > maxBlobBytes)
            ? denied(operation, `one of its blobs: ${tooLarge}`)
            : next(operation)
        )
      )
    }
  })
}

/** The pipe, from the inside out: the last is outermost, so that what is refused is logged and counted too. */
export const gateway = (rules: Rules) => <E, R>(upstream: Layer.Layer<Registry, E, R>): Layer.Layer<Registry, E, R> =>
  upstream.pipe(
    Retry.wrap(),
    Registry.wrap(inspected(rules)),
    // Nobody else should push to the registry behind, unless it keeps `If-None-Match`: say `conditional: true` then.
    Immutable.wrap({ select: ReferenceSet.complement(ReferenceSet.tags(...rules.movingTags)) }),
    Filter.wrap({ select: visible(rules.admin) }),
    Metrics.wrap(),
    Logging.wrap()
  )

const list = (name: string) => Config.map(Config.string(name), (text) => text.split(",").map((item) => item.trim()))

/** What the gateway is told of its rules. */
export const rules: Config.Config<Rules> = Config.all({
  admin: Config.string("ADMIN").pipe(Config.withDefault("admin")),
  movingTags: list("MOVING_TAGS").pipe(Config.withDefault(["latest"])),
  mediaTypes: list("MEDIA_TYPES").pipe(Config.withDefault([...MediaType.manifests])),
  maxBlobBytes: Config.integer("MAX_BLOB_MIB").pipe(
    Config.withDefault(1024),
    Config.validate({ message: "it is 1 or more", validation: (size) => size > 0 }),
    Config.map((size) => size * 1024 * 1024)
  )
})

/** The registry behind, and how the gateway itself logs in there. */
const upstream = Layer.unwrapEffect(Effect.gen(function*() {
  const { host, pathname, protocol } = yield* Config.url("UPSTREAM")
  const username = yield* Config.option(Config.string("UPSTREAM_USER"))
  const client = Client.layer({ host, path: pathname, insecure: protocol === "http:" })
  if (Option.isNone(username)) return Layer.provide(client, Credentials.layerAnonymous)
  const password = yield* Config.redacted("UPSTREAM_PASSWORD")
  return Layer.provide(client, Credentials.layerStatic({ [host]: Credential.basic(username.value, password) }))
}))

/** Serves any registry in the gateway, to the users of an htpasswd file. Who sees what is no matter of the guard. */
export const serve = <E, R>(registry: Layer.Layer<Registry, E, R>) =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const host = yield* Config.string("HOST").pipe(Config.withDefault("127.0.0.1"))
    const port = yield* Config.integer("PORT").pipe(Config.withDefault(5000))
    const path = yield* Config.string("USERS").pipe(Config.withDefault("users"))
    const guard = Guard.make({ users: yield* NodeHtpasswd.make({ path }), realm: "gateway" })
    return NodeRegistryServer.layer({ host, port, guard, mounts: { "/metrics": Prometheus.answer } }).pipe(
      Layer.provide(gateway(yield* rules)(registry))
    )
  }))

export const layer = serve(upstream)
