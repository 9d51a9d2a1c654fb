import type { RegistryError } from "@effect-oci/core"
import * as Stream from "effect/Stream"

/**
 * Returns the first items of a list. Use it for a limit that counts the items of this list, not those of the next
 * registry.
 */
export const atMost = <A>(
  items: Stream.Stream<A, RegistryError.RegistryError>,
  limit: number | undefined
): Stream.Stream<A, RegistryError.RegistryError> =>
  limit === undefined || limit === Infinity ? items : Stream.take(items, limit)
