/**
 * A policy gateway in front of another registry. Users log in, and see only the repositories below their own name. Tags
 * cannot be moved. Pushes are checked. Only signed images are served, if signers are set, and only what a service permits,
 * if one is set. All operations are logged and counted. The settings are environment variables: see the README.
 */
import { Credential, Credentials } from "@effect-oci/auth"
import { Client } from "@effect-oci/client"
import {
  Answer,
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
import { Guard } from "@effect-oci/guard"
import * as NodeHtpasswd from "@effect-oci/guard/NodeHtpasswd"
import { Filter, Gate, Immutable, Logging, Metrics, Retry } from "@effect-oci/middleware"
import { Prometheus } from "@effect-oci/server"
import * as NodeRegistryServer from "@effect-oci/server/NodeRegistryServer"
import { Cosign, Requirement, Verify } from "@effect-oci/verify"
import * as NodeNotation from "@effect-oci/verify/NodeNotation"
import { FileSystem, HttpClient, HttpClientRequest, HttpClientResponse, KeyValueStore } from "@effect/platform"
import { Config, Effect, Layer, Option, Schema } from "effect"

/** The rules of the gateway. */
export interface Rules {
  /** The user who sees all repositories. */
  readonly admin: string
  /** The tags that may be moved, as globs. All other tags are immutable. */
  readonly movingTags: ReadonlyArray<string>
  /** The media types that a manifest may have. */
  readonly mediaTypes: ReadonlyArray<string>
  /** The maximum size of a blob, in bytes. */
  readonly maxBlobBytes: number
}

/**
 * Returns the set of repositories that a caller sees. Change this function to change who sees what. It returns the same set
 * object for the same name.
 */
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
  Answer.fail(new RegistryError.Denied({ ...Operation.errorFields(operation), reason }))

/**
 * Checks pushes. A blob with a known size is refused at once if it is too large. The size of a blob that arrived in chunks
 * is checked when a manifest names the blob: the gateway asks the registry for the size.
 */
const inspected = ({ maxBlobBytes, mediaTypes }: Rules): Middleware.Middleware => (next) => {
  const tooLarge = `it is larger than ${maxBlobBytes} bytes, the limit of the gateway`
  return Handler.wrap(next, {
    ...Handler.forward("ResolveBlob", "GetBlob", "ResolveManifest", "GetManifest"),
    PushBlob: (operation) => operation.descriptor.size > maxBlobBytes ? denied(operation, tooLarge) : next(operation),
    ...Handler.forward("MountBlob", "StartUpload", "GetUpload", "AppendUpload", "CompleteUpload", "CancelUpload"),
    PushManifest: (operation) => {
      const { bytes, mediaType, repository } = operation
      if (!mediaTypes.includes(MediaType.essence(mediaType))) {
        return denied(operation, `the gateway does not accept "${mediaType}"; it accepts ${mediaTypes.join(", ")}`)
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
    },
    ...Handler.forward("DeleteBlob", "DeleteManifest", "DeleteTag", "ListRepositories", "ListTags", "ListReferrers")
  })
}

const Decision = Schema.Struct({ allowed: Schema.Boolean, reason: Schema.optional(Schema.String) })

/**
 * Asks a web service about a manifest, such as a scanner or a page on which people approve images. It receives the
 * repository, the digest, the media type and the manifest as JSON, and answers `{ "allowed": false, "reason": "…" }`.
 */
const askService = (url: URL) =>
  Effect.map(HttpClient.HttpClient, (client): Gate.Options["decide"] => ({ manifest, repository }) => {
    const { digest, mediaType } = manifest.descriptor
    const content = new TextDecoder().decode(manifest.bytes)
    return HttpClientRequest.post(url).pipe(
      HttpClientRequest.bodyJson({ repository, digest, mediaType, manifest: content }),
      Effect.flatMap(HttpClient.filterStatusOk(client).execute),
      Effect.flatMap(HttpClientResponse.schemaBodyJson(Decision)),
      Effect.mapError((cause) =>
        new RegistryError.Unavailable({
          reason: "the service that decides about manifests has failed; try again",
          cause
        })
      )
    )
  })

/** Returns the gate that `DECIDE_URL` configures, with its verdicts in files. Without that setting, there is no gate. */
const gate = Effect.gen(function*() {
  const url = yield* Config.option(Config.url("DECIDE_URL"))
  if (Option.isNone(url)) return undefined
  const directory = yield* Config.string("VERDICTS").pipe(Config.withDefault("verdicts"))
  const verdicts = yield* Effect.provide(KeyValueStore.KeyValueStore, KeyValueStore.layerFileSystem(directory))
  return { decide: yield* askService(url.value), verdicts, pushes: true }
})

/** The policies that images must satisfy. Without signers, no policy selects an image. */
const signed = (signers: ReadonlyArray<Requirement.Requirement> | undefined): Verify.Options =>
  signers === undefined ? { policies: [], unselected: "serve" } : {
    policies: [{ name: "signed", select: ReferenceSet.all, require: [Requirement.any(...signers)] }],
    unselected: "deny"
  }

/** What must permit an image before it is served. */
interface Checks {
  readonly signers?: ReadonlyArray<Requirement.Requirement> | undefined
  readonly gate?: Gate.Options | undefined
}

/** Wraps the upstream registry. The last wrapper is the outermost, so that refused operations are logged and counted too. */
export const gateway =
  (rules: Rules, { gate, signers }: Checks = {}) =>
  <E, R>(upstream: Layer.Layer<Registry, E, R>): Layer.Layer<Registry, E, R> =>
    upstream.pipe(
      Retry.wrap(),
      Registry.wrap(inspected(rules)),
      // No other client should push to the upstream registry. If the upstream supports `If-None-Match`, set
      // `conditional: true`: then other clients may push to it.
      Immutable.wrap({ select: ReferenceSet.complement(ReferenceSet.tags(...rules.movingTags)) }),
      // Around `Immutable`, which must also see images that are not signed yet.
      Verify.wrap(signed(signers)),
      gate === undefined ? (registry) => registry : Gate.wrap(gate),
      Filter.wrap({ select: visible(rules.admin) }),
      Metrics.wrap(),
      Logging.wrap()
    )

const list = (name: string) => Config.map(Config.string(name), (text) => text.split(",").map((item) => item.trim()))

/** Reads the rules of the gateway from environment variables. */
export const rules: Config.Config<Rules> = Config.all({
  admin: Config.string("ADMIN").pipe(Config.withDefault("admin")),
  movingTags: list("MOVING_TAGS").pipe(Config.withDefault(["latest"])),
  mediaTypes: list("MEDIA_TYPES").pipe(Config.withDefault([...MediaType.manifests])),
  maxBlobBytes: Config.integer("MAX_BLOB_MIB").pipe(
    Config.withDefault(1024),
    Config.validate({ message: "it must be 1 or more", validation: (size) => size > 0 }),
    Config.map((size) => size * 1024 * 1024)
  )
})

/** Reads a file whose path is a setting. */
const file = (name: string) =>
  Effect.flatMap(
    Config.option(Config.string(name)),
    Effect.transposeMapOption((path) => Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path)))
  )

/** Reads who must have signed an image: a key of cosign, or an authority of Notation. A file without either stops the gateway. */
const signers = Effect.gen(function*() {
  const keys = yield* file("SIGNED_BY_KEYS")
  const authorities = yield* file("SIGNED_BY_AUTHORITIES")
  if (Option.isNone(keys) && Option.isNone(authorities)) return undefined
  return [
    ...Option.toArray(keys).flatMap((text) => text.split(/(?=-----BEGIN )/)).map((key) => Cosign.key(key)),
    ...Option.toArray(authorities).map((text) =>
      NodeNotation.trustStore({ certificates: [text], trustedIdentities: "any" })
    )
  ]
})

/** The upstream registry, with the gateway's own credentials. */
const upstream = Layer.unwrapEffect(Effect.gen(function*() {
  const { host, pathname, protocol } = yield* Config.url("UPSTREAM")
  const username = yield* Config.option(Config.string("UPSTREAM_USER"))
  const client = Client.layer({ host, path: pathname, insecure: protocol === "http:" })
  if (Option.isNone(username)) return Layer.provide(client, Credentials.layerAnonymous)
  const password = yield* Config.redacted("UPSTREAM_PASSWORD")
  return Layer.provide(client, Credentials.layerStatic({ [host]: Credential.basic(username.value, password) }))
}))

/** Serves any registry through the gateway. The guard only checks passwords; `visible` decides who sees what. */
export const serve = <E, R>(registry: Layer.Layer<Registry, E, R>) =>
  Layer.unwrapScoped(Effect.gen(function*() {
    const host = yield* Config.string("HOST").pipe(Config.withDefault("127.0.0.1"))
    const port = yield* Config.integer("PORT").pipe(Config.withDefault(5000))
    const path = yield* Config.string("USERS").pipe(Config.withDefault("users"))
    const guard = Guard.make({ users: yield* NodeHtpasswd.make({ path }), realm: "gateway" })
    return NodeRegistryServer.layer({ host, port, guard, mounts: { "/metrics": Prometheus.answer } }).pipe(
      Layer.provide(gateway(yield* rules, { signers: yield* signers, gate: yield* gate })(registry))
    )
  }))

export const layer = serve(upstream)
