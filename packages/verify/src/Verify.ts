/**
 * A wrapper that serves only what satisfies a policy: images that are signed, attested, or have an SBOM.
 *
 * Use it in a gateway in front of any registry, or around a client, so that nothing unsigned is ever pulled.
 *
 * @since 0.1.0
 */
import { Handler, Registry } from "@effect-oci/core"
import type { Middleware, Operation } from "@effect-oci/core"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as evidence from "./internal/evidence.js"
import { Gatekeeper } from "./internal/gatekeeper.js"
import type { Limits, Policy, Signatures } from "./Policy.js"

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Limits {
  /** The policies. All policies that select a reference must be satisfied. */
  readonly policies: ReadonlyArray<Policy>
  /** What happens to a manifest that no policy selects. */
  readonly unselected: "serve" | "deny"
  /** The `host[:port]` of this registry in sets that name hosts. Default: none. */
  readonly registry?: string | undefined
  /** Where the signatures are. Default: beside the images. */
  readonly signatures?: Signatures | undefined
  /**
   * How long a satisfied verdict is remembered, and at most until a certificate or signature expires. A deleted signature is
   * noticed after this time. Default: 10 minutes.
   */
  readonly timeToLive?: Duration.DurationInput | undefined
  /** How long a denial is remembered. Default: 10 seconds. */
  readonly negativeTimeToLive?: Duration.DurationInput | undefined
  /** How many verdicts, and how many children of indexes, are remembered. Default: 10,000. */
  readonly maxRemembered?: number | undefined
  /**
   * The media types of layers, without parameters, that are signatures, attestations or SBOMs. A manifest with only such
   * layers is always served, so that clients can verify too. Default: {@link attachments}.
   */
  readonly attachments?: ReadonlyArray<string> | undefined
}

/**
 * The default media types of signatures, attestations and SBOMs. None of them can be a layer of an image that runs.
 *
 * @since 0.1.0
 * @category constants
 */
export const attachments: ReadonlyArray<string> = evidence.attachments

/**
 * Creates a middleware that serves a manifest only if it satisfies all policies that select its reference. Other reads of
 * manifests fail with `Denied`. The reason says which policy, what was found and what is missing; `detail` contains the
 * verdicts of these policies as data.
 *
 * - A tag is resolved once: the manifest that is served is the manifest that was verified. A tag that moves is verified
 *   again. Looking up a manifest (HEAD) is checked like reading it.
 * - **Indexes.** A signature of an index covers its children: they are served by their digest after the index was verified
 *   here, as long as the index satisfies its policies. Otherwise a child needs a signature of its own. Nodes do not share
 *   what they remember: sign with `cosign sign --recursive` if clients change the node between two requests.
 * - **Blobs** are served. A client verifies a blob by the digest in a manifest that was verified, so a blob alone makes no
 *   image. To hide content, use `Filter` or `Authorize`.
 * - **Signatures** stay readable: lists of referrers, cosign's tags, and manifests that have only layers of the types in
 *   `attachments`. Under a tag of referrers (`sha256-<hex>`), an index is served; what it lists is checked like any manifest.
 * - Writes, deletes and lists are forwarded. A write forgets the verdicts about its repository.
 * - Verdicts are remembered by policy, repository, digest and media type, and computed once for all callers that wait for
 *   the same. If the registry fails, the operation fails, and nothing is remembered.
 *
 * **Order.** Callers share verdicts, and signatures are read as the anonymous caller. If the answers of the next registry
 * depend on the caller, each caller has verdicts of its own. So put such wrappers around this one:
 * `upstream.pipe(Verify.wrap(…), Filter.wrap({ select: byCaller }))`.
 *
 * Laws: what it serves satisfies the policies, or is an attachment. With policies that require nothing, it changes no
 * results.
 *
 * @since 0.1.0
 * @category middleware
 * @throws Error if two policies have the same name
 */
export const middleware = (options: Options): Effect.Effect<Middleware.Middleware> =>
  Effect.sync(() => {
    const names = options.policies.map(({ name }) => name)
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined) throw new Error(`two policies have the name "${twice}"`)
    return (next) => {
      const gatekeeper = new Gatekeeper(Registry.fromHandler(next), options, Handler.dependsOnCaller(next))
      const forgetting = <O extends Operation.PushManifest | Operation.DeleteManifest | Operation.DeleteTag>(
        operation: O
      ) => Effect.tap(next(operation), () => Effect.sync(() => gatekeeper.forget(operation.repository)))
      return Handler.wrap(next, {
        ...Handler.forward("ResolveBlob", "GetBlob"),
        ResolveManifest: (operation) => {
          const { repository } = operation
          return Effect.flatMap(next(operation), (descriptor) =>
            gatekeeper.check(operation, descriptor, gatekeeper.read(repository, descriptor.digest), descriptor))
        },
        GetManifest: (operation) =>
          Effect.flatMap(next(operation), (manifest) =>
            gatekeeper.check(operation, manifest.descriptor, manifest, manifest)),
        ...Handler.forward(
          "PushBlob",
          "MountBlob",
          "StartUpload",
          "GetUpload",
          "AppendUpload",
          "CompleteUpload",
          "CancelUpload"
        ),
        PushManifest: forgetting,
        ...Handler.forward("DeleteBlob"),
        DeleteManifest: forgetting,
        DeleteTag: forgetting,
        ...Handler.forward("ListRepositories", "ListTags", "ListReferrers")
      })
    }
  })

/**
 * Creates a layer that requires a registry, and provides what satisfies the policies. {@link wrap} does the same in a pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer so that it serves only what satisfies the policies.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { ReferenceSet } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Cosign, Verify } from "@effect-oci/verify"
 * import type { Layer } from "effect"
 *
 * const gateway = (upstream: Layer.Layer<Registry>, publicKey: string) =>
 *   upstream.pipe(Verify.wrap({
 *     policies: [{ name: "signed", select: ReferenceSet.prefix("prod/"), require: [Cosign.key(publicKey)] }],
 *     unselected: "serve"
 *   }))
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
