/**
 * A wrapper that serves a manifest only after an effect has permitted it.
 *
 * Use it for scanners, signatures and approvals: the first pull of a digest waits for the decision.
 *
 * @since 0.1.0
 */
import { Answer, Handler, Operation, ReferenceSet, Registry } from "@effect-oci/core"
import type { Descriptor, Manifest, Middleware, RegistryError, RepositoryName } from "@effect-oci/core"
import type * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Decision } from "./Authorize.js"
import { Decisions } from "./internal/gate/decisions.js"

/**
 * A manifest of a repository, to decide whether it is served. It does not contain the caller, because the decision applies
 * to all callers. Use `Authorize` to decide by the caller.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly repository: RepositoryName.RepositoryName
  readonly manifest: Manifest.Manifest
}

/**
 * Options for {@link middleware}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Decides whether a manifest is served. If the effect fails, the waiting callers receive its error, and nothing is
   * remembered: the next read decides again. The effect runs as the anonymous caller, and must already contain the
   * services that it needs.
   */
  readonly decide: (request: Request) => Effect.Effect<boolean | Decision, RegistryError.RegistryError>
  /**
   * The repositories in which manifests are decided about. The set selects a repository if it contains any reference to
   * it. Default: all.
   */
  readonly select?: ReferenceSet.ReferenceSet | undefined
  /**
   * Whether the decision about an index also covers the manifests in it. Default: `decide`.
   *
   * - `decide`: each manifest is decided about when it is read, for example by a scanner.
   * - `cover`: a permitted index permits its manifests, as a signature of the index does. A denied index denies nothing
   *   else.
   */
  readonly children?: "decide" | "cover" | undefined
  /** How long a caller waits for a decision. The decision continues without the caller. Default: 30 seconds. */
  readonly deadline?: Duration.DurationInput | undefined
  /** How long a permit counts. Default: for ever. */
  readonly permitTimeToLive?: Duration.DurationInput | undefined
  /** How long a denial counts. Default: 1 hour. */
  readonly denialTimeToLive?: Duration.DurationInput | undefined
  /**
   * Keeps the verdicts over a restart, and shares them among nodes. If the store fails, the wrapper logs the failure and
   * decides again. Default: the newest 100,000 verdicts in memory.
   */
  readonly verdicts?: KeyValueStore.KeyValueStore | undefined
  /**
   * Whether a pushed manifest is held in quarantine: the push succeeds and starts the decision, and does not wait for it.
   * Until there is a verdict, only the caller who pushed the manifest, if it has a name, reads it without waiting. With
   * `false`, the first read starts the decision. Default: `false`.
   */
  readonly pushes?: boolean | undefined
  /** How many decisions run at the same time. Other reads fail and may be retried. Default: 64. */
  readonly maxDecisions?: number | undefined
}

/**
 * Creates a middleware that calls `decide` at the first read of each manifest, by tag or by digest, and serves the
 * manifest only if it is permitted. The verdict is remembered for the repository, the digest and the media type.
 *
 * - Concurrent reads of a manifest wait for one decision. A caller that disconnects does not stop it.
 * - A denied manifest fails with `Denied`, which contains the reason.
 * - A caller that waits longer than `deadline` fails with `TooManyRequests` (429) and `retryAfter`: the status that most
 *   clients retry. The decision continues, so a later read finds the verdict.
 * - Blobs, lists, writes and deletes are forwarded. A client reads the blobs that a manifest names, and has no reason to
 *   run a manifest that it read as a blob. So a denied manifest is not used, but its content is not secret.
 *
 * **Order.** Put the gate around a cache, `upstream.pipe(Cache.wrap({ store }), Gate.wrap({ decide }))`, so that denials
 * also apply to cached content.
 *
 * Law: if everything is permitted, the gate changes no results.
 *
 * @since 0.1.0
 * @category middleware
 */
export const middleware = (options: Options): Effect.Effect<Middleware.Middleware, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => (next) => {
    const { pushes = false, select = ReferenceSet.all } = options
    const gate = new Decisions({
      decide: options.decide,
      covers: options.children === "cover",
      deadline: Duration.decode(options.deadline ?? "30 seconds"),
      permitTimeToLive: Duration.toMillis(options.permitTimeToLive ?? Duration.infinity),
      denialTimeToLive: Duration.toMillis(options.denialTimeToLive ?? "1 hour"),
      verdicts: options.verdicts,
      maxDecisions: options.maxDecisions ?? 64,
      scope
    })
    const isGated = (operation: { readonly repository: RepositoryName.RepositoryName }) =>
      ReferenceSet.touches(select, operation)
    const gated = Handler.wrap(next, {
      ...Handler.forward("ResolveBlob", "GetBlob"),
      ResolveManifest: (operation) =>
        isGated(operation)
          ? Answer.tap(next(operation), (found) => gate.check(operation, found, manifestOf(next, operation, found)))
          : next(operation),
      GetManifest: (operation) =>
        isGated(operation)
          ? Answer.tap(next(operation), (found) => gate.check(operation, found.descriptor, Answer.succeed(found)))
          : next(operation),
      ...Handler.forward("PushBlob", "MountBlob"),
      ...Handler.forward("StartUpload", "GetUpload", "AppendUpload", "CompleteUpload", "CancelUpload"),
      PushManifest: (operation) =>
        pushes && isGated(operation)
          ? Answer.tap(next(operation), (pushed) => gate.pushed(operation, pushed))
          : next(operation),
      ...Handler.forward("DeleteBlob", "DeleteManifest", "DeleteTag"),
      ...Handler.forward("ListRepositories", "ListTags", "ListReferrers")
    })
    return pushes ? Handler.dependingOnCaller(gated) : gated
  })

/**
 * Reads the manifest that was resolved. A tag may move meanwhile, and some registries serve a manifest only by a tag, so
 * it is read by the reference of the caller first.
 */
const manifestOf = (
  next: Handler.Handler,
  { reference, repository }: Operation.ResolveManifest,
  { digest }: Descriptor.Descriptor
): Effect.Effect<Manifest.Manifest, RegistryError.RegistryError> =>
  Effect.suspend(() =>
    Effect.flatMap(
      next(new Operation.GetManifest({ repository, reference })),
      (found) =>
        found.descriptor.digest === digest
          ? Effect.succeed(found)
          : next(new Operation.GetManifest({ repository, reference: digest }))
    )
  )

/**
 * Creates a layer that requires a registry, and provides that registry behind a gate. {@link wrap} does the same in a
 * pipe.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Registry, never, Registry> =>
  Registry.layerMiddleware(middleware(options))

/**
 * Wraps the registry of a layer with a gate.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Manifest } from "@effect-oci/core"
 * import type { Registry } from "@effect-oci/core"
 * import { Gate } from "@effect-oci/middleware"
 * import { Effect, Either } from "effect"
 * import type { Layer } from "effect"
 *
 * // Serves only images with at most 20 layers, and indexes of them.
 * const flat = (registry: Layer.Layer<Registry>) =>
 *   registry.pipe(
 *     Gate.wrap({
 *       decide: ({ manifest: { bytes, descriptor: { mediaType } } }) => {
 *         const document = Either.getOrUndefined(Manifest.parse({ mediaType, bytes }))
 *         const isFlat = document?._tag === "Index" || (document?._tag === "Image" && document.layers.length <= 20)
 *         return Effect.succeed({ allowed: isFlat, reason: "it is not an image with at most 20 layers" })
 *       }
 *     })
 *   )
 * ```
 */
export const wrap = (options: Options): <E, R>(registry: Layer.Layer<Registry, E, R>) => Layer.Layer<Registry, E, R> =>
  Registry.wrap(middleware(options))
