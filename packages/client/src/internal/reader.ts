import * as Digest from "@effect-oci/core/Digest"
import type * as Handler from "@effect-oci/core/Handler"
import * as Manifest from "@effect-oci/core/Manifest"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Response from "@effect-oci/protocol/Response"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Exchange } from "./exchange.js"
import type { Incoming } from "./incoming.js"

/** Pulls. */
export const reader = (
  exchange: Exchange
): Pick<Handler.Table, "ResolveBlob" | "GetBlob" | "ResolveManifest" | "GetManifest"> => {
  /** The content of a blob stays open as long as the scope, which closes what was not read. */
  const getBlob: Handler.Row<"GetBlob"> = (operation) => {
    const fields = exchange.fields(operation)
    return Effect.uninterruptibleMask((restore) =>
      restore(exchange.send(operation, fields)).pipe(
        Effect.tap((answer) => Effect.addFinalizer(() => answer.close())),
        Effect.flatMap((answer) =>
          restore(Effect.flatMap(sized(operation, answer), (answer) =>
            Effect.mapError(Response.decode(operation, answer, fields), answer.explain)))
        )
      )
    )
  }

  /** The size of a blob that comes without is asked for. */
  const sized = (operation: Operation.GetBlob, answer: Incoming) =>
    answer.status !== 200 || answer.headers["content-length"] !== undefined
      ? Effect.succeed(answer)
      : Effect.map(
        exchange.call(new Operation.ResolveBlob(operation), exchange.fields(operation)),
        ({ size }) => answer.supply("content-length", size)
      )

  /** Registries that leave the digest or the size out of the answer to HEAD, or do not take it, are asked for the whole. */
  const resolveManifest: Handler.Row<"ResolveManifest"> = (operation) => {
    const fields = exchange.fields(operation)
    return Effect.flatMap(exchange.send(operation, fields), (answer) =>
      isEnough(operation, answer)
        ? exchange.decode(operation, answer, fields)
        : Effect.map(exchange.call(new Operation.GetManifest(operation), fields), ({ descriptor }) => descriptor))
  }

  return {
    ResolveBlob: (operation) => exchange.call(operation),
    GetBlob: getBlob,
    ResolveManifest: resolveManifest,
    GetManifest: (operation) =>
      Effect.flatMap(exchange.call(operation), (manifest) =>
        Either.mapLeft(
          Manifest.unambiguous(manifest),
          (error) => RegistryError.withFields(error, exchange.fields(operation))
        ))
  }
}

const isEnough = ({ reference }: Operation.ResolveManifest, { headers, status }: Incoming): boolean => {
  if (status !== 200) return status !== 405
  if (headers["content-length"] === undefined) return false
  return Operation.isDigest(reference) || Digest.is(headers["docker-content-digest"] ?? "")
}
