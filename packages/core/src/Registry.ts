/**
 * The registry as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { builtOn } from "./Handler.js"
import type { Handler } from "./Handler.js"
import * as service from "./internal/registryService.js"
import type { Middleware } from "./Middleware.js"

/**
 * A registry: one handler of operations, with a method for each operation. It may be a client, a store, or either of
 * them with any number of wrappers around it.
 *
 * @since 0.1.0
 * @category services
 * @example
 * ```ts
 * import { Registry, RepositoryName, Tag } from "@effect-oci/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const registry = yield* Registry
 *   const manifest = yield* registry.getManifest(RepositoryName.make("team/app"), Tag.make("v1"))
 *   return manifest.descriptor.digest
 * })
 * ```
 */
export class Registry extends Context.Tag("@effect-oci/core/Registry")<Registry, service.Service>() {
  /** Creates a registry from its handler. The methods call the handler, and verify content that is not verified yet. */
  static readonly fromHandler = (handler: Handler): service.Service => service.fromHandler(handler)

  /** Creates a layer that provides a registry from its handler. */
  static readonly layerHandler = (handler: Handler): Layer.Layer<Registry> =>
    Layer.sync(Registry, () => service.fromHandler(handler))

  /**
   * Creates a layer that wraps the registry it depends on. If the wrapper has state, pass an effect that creates the
   * wrapper.
   */
  static readonly layer = <E = never, R = never>(
    middleware: Middleware | Effect.Effect<Middleware, E, R>
  ): Layer.Layer<Registry, E, Exclude<R, Scope.Scope> | Registry> =>
    Layer.scoped(
      Registry,
      Effect.zipWith(
        Registry,
        Effect.isEffect(middleware) ? middleware : Effect.succeed(middleware),
        (next, apply) => service.fromHandler(builtOn(apply(next.handle), next.handle))
      )
    )

  /** Wraps the registry of a layer. For use in pipes: the last wrapper in a pipe is the outermost. */
  static readonly wrap =
    <E1 = never, R1 = never>(middleware: Middleware | Effect.Effect<Middleware, E1, R1>) =>
    <E, R>(registry: Layer.Layer<Registry, E, R>): Layer.Layer<
      Registry,
      E | E1,
      R | Exclude<Exclude<R1, Scope.Scope> | Registry, Registry>
    > => Layer.provide(Registry.layer(middleware), registry)

  /**
   * The methods that read: pull and resolve.
   *
   * @since 0.1.0
   * @category services
   */
  static readonly Reader = service.ReaderTag
  /**
   * The methods that write: push, mount and upload.
   *
   * @since 0.1.0
   * @category services
   */
  static readonly Writer = service.WriterTag
  /**
   * The methods that delete.
   *
   * @since 0.1.0
   * @category services
   */
  static readonly Deleter = service.DeleterTag
  /**
   * The methods that list.
   *
   * @since 0.1.0
   * @category services
   */
  static readonly Lister = service.ListerTag

  /**
   * Provides the four facets of a registry. Each facet is an object with only its own methods.
   *
   * @example
   * ```ts
   * import { Registry, RepositoryName } from "@effect-oci/core"
   * import { Effect, Layer, Stream } from "effect"
   *
   * // The type of this program says that it only lists.
   * const tags = Stream.unwrap(
   *   Effect.map(Registry.Lister, (lister) => lister.listTags(RepositoryName.make("team/app")))
   * )
   * const listed = (registry: Layer.Layer<Registry>) =>
   *   Stream.runCollect(tags).pipe(Effect.provide(Layer.provide(Registry.facets, registry)))
   * ```
   */
  static readonly facets: Layer.Layer<
    service.ReaderTag | service.WriterTag | service.DeleterTag | service.ListerTag,
    never,
    Registry
  > = Layer.effectContext(
    Effect.map(Registry, (registry) =>
      Context.empty().pipe(
        Context.add(service.ReaderTag, service.reader(registry.handle)),
        Context.add(service.WriterTag, service.writer(registry.handle)),
        Context.add(service.DeleterTag, service.deleter(registry.handle)),
        Context.add(service.ListerTag, service.lister(registry.handle))
      ))
  )
}

/**
 * The types of a registry's methods, and the identifiers of its facets.
 *
 * @since 0.1.0
 * @category models
 */
export declare namespace Registry {
  /**
   * The requirement of an effect that only reads: `Effect<A, E, Registry.Reader>`.
   *
   * @since 0.1.0
   * @category services
   */
  export type Reader = service.ReaderTag

  /**
   * The requirement of an effect that only writes: `Effect<A, E, Registry.Writer>`.
   *
   * @since 0.1.0
   * @category services
   */
  export type Writer = service.WriterTag

  /**
   * The requirement of an effect that only deletes: `Effect<A, E, Registry.Deleter>`.
   *
   * @since 0.1.0
   * @category services
   */
  export type Deleter = service.DeleterTag

  /**
   * The requirement of an effect that only lists: `Effect<A, E, Registry.Lister>`.
   *
   * @since 0.1.0
   * @category services
   */
  export type Lister = service.ListerTag

  /**
   * All methods of a registry, and the handler that they call.
   *
   * @since 0.1.0
   * @category models
   */
  export type Service = service.Service

  /**
   * The methods that read.
   *
   * @since 0.1.0
   * @category models
   */
  export type ReaderService = service.Reader

  /**
   * The methods that write.
   *
   * @since 0.1.0
   * @category models
   */
  export type WriterService = service.Writer

  /**
   * The methods that delete.
   *
   * @since 0.1.0
   * @category models
   */
  export type DeleterService = service.Deleter

  /**
   * The methods that list.
   *
   * @since 0.1.0
   * @category models
   */
  export type ListerService = service.Lister
}
