/**
 * Checks of the stores of a registry. The suites `BlobStoreSuite`, `MetadataStoreSuite` and `StoreSuite` are lists of
 * such checks. They depend on no test framework.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Violation } from "./Check.js"

/**
 * A check of one or more stores. It creates the stores that it needs, and closes them at its end.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoreCheck<Services> {
  /** The behaviour that the check verifies, as a sentence about the store. */
  readonly name: string
  /** Runs the check. Fails with the first violation; its `after` is the last call of the store. */
  readonly run: (options: Options<Services>) => Effect.Effect<void, Violation>
}

/**
 * Describes the store under test.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Services> {
  /**
   * Creates a place for an empty store, such as a new directory, and returns the layer that opens the store there. The
   * end of the scope removes the place.
   */
  readonly make: Effect.Effect<Layer.Layer<Services, unknown>, unknown, Scope.Scope>
  /**
   * Whether the layer finds the content of the store again when it is built a second time, after a first build was
   * closed. If `false`, the checks of a restart are skipped. Default: `false`.
   */
  readonly durable?: boolean | undefined
  /**
   * How time passes for the store. The checks express all durations in a `unit`, and call `pass` to wait. Set it for a
   * store whose clock is not Effect's `Clock`, for example `{ unit: "300 millis", pass: Effect.sleep }`. Default:
   * a unit of one minute, and `TestClock.adjust`.
   */
  readonly time?: {
    readonly unit: Duration.DurationInput
    readonly pass: (duration: Duration.Duration) => Effect.Effect<void>
  } | undefined
}
