import type { RegistryError } from "@effect-oci/core"
import * as Stream from "effect/Stream"

/** The first items of a list, for a limit that counts what is listed here and not what the registry behind lists. */
export const atMost = <A>(
  items: Stream.Stream<A, RegistryError.RegistryError>,
  limit: number | undefined
): Stream.Stream<A, RegistryError.RegistryError> =>
  limit === undefined || limit === Infinity ? items : Stream.take(items, limit)
