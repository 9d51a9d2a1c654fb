import * as BlobContent from "@effect-oci/core/BlobContent"
import * as Body from "@effect-oci/core/Body"
import * as Digest from "@effect-oci/core/Digest"
import type * as Handler from "@effect-oci/core/Handler"
import * as MediaType from "@effect-oci/core/MediaType"
import * as Operation from "@effect-oci/core/Operation"
import * as RegistryError from "@effect-oci/core/RegistryError"
import * as Response from "@effect-oci/protocol/ResponseDecoder"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { HttpExchange } from "./httpExchange.js"
import type { Incoming } from "./incoming.js"

/** Creates the rows that pull. */
export const reader = (
  http: HttpExchange
): Pick<Handler.Table, "ResolveBlob" | "GetBlob" | "ResolveManifest" | "GetManifest"> => {
  /**
   * Opens a blob. Its content stays open until the scope closes. The scope closes content that was not read to its end.
   */
  const getBlob: Handler.Row<"GetBlob"> = (operation) => {
    const fields = http.fields(operation)
    return Effect.uninterruptibleMask((restore) =>
      restore(http.send(operation, fields)).pipe(
        Effect.tap((answer) => Effect.addFinalizer(() => answer.close())),
        Effect.flatMap((answer) =>
          restore(
            sized(operation, answer).pipe(
              Effect.flatMap((answer) => Response.decode(operation, answer, fields)),
              Effect.mapBoth({
                onFailure: answer.explain,
                onSuccess: (content) => answer.coding === undefined ? content : decoded(content, answer, fields)
              })
            )
          )
        )
      )
    )
  }

  /** Requests the size of a blob if the answer does not contain it. */
  const sized = (operation: Operation.GetBlob, answer: Incoming) =>
    answer.status !== 200 || answer.headers["content-length"] !== undefined
      ? Effect.succeed(answer)
      : Effect.map(
        http.call(new Operation.ResolveBlob(operation), http.fields(operation)),
        ({ size }) => answer.supply("content-length", size)
      )

  /** Gets the manifest if the registry does not support HEAD, or if its answer omits the type, digest or size. */
  const resolveManifest: Handler.Row<"ResolveManifest"> = (operation) => {
    const fields = http.fields(operation)
    return Effect.flatMap(http.send(operation, fields), (answer) =>
      isEnough(operation, answer)
        ? http.decode(operation, answer, fields)
        : Effect.map(http.call(new Operation.GetManifest(operation), fields), ({ descriptor }) => descriptor))
  }

  return {
    ResolveBlob: (operation) => http.call(operation),
    GetBlob: getBlob,
    ResolveManifest: resolveManifest,
    GetManifest: (operation) => {
      const fields = http.fields(operation)
      return Effect.flatMap(http.send(operation, fields), (answer) =>
        Effect.filterOrFail(
          http.decode(operation, answer, fields),
          ({ bytes }) => answer.coding === undefined || bytes[0] === openingBrace,
          () => answer.explain(new RegistryError.ManifestInvalid(fields))
        ))
    }
  }
}

const openingBrace = 0x7b

/**
 * Handles content with a `Content-Encoding`. A layer that is sent unencoded has the right digest. Otherwise the error
 * reports the encoding.
 */
const decoded = (content: BlobContent.BlobContent, answer: Incoming, fields: RegistryError.ErrorFields) => {
  const { body, descriptor, range } = content
  const checked = range === undefined ? Body.verify(body, descriptor, fields) : body
  const stream = Stream.mapError(checked.stream, answer.explain)
  return new BlobContent.BlobContent({ ...content, body: Body.stream(stream, { size: body.size }) })
}

/**
 * Returns whether the answer to a HEAD contains everything that a descriptor needs. If the type is generic, only the
 * document can contain the real one. No manifest is empty, but some registries answer HEAD with a length of 0.
 */
const isEnough = ({ reference }: Operation.ResolveManifest, { headers, status }: Incoming): boolean => {
  if (status !== 200) return status !== 405
  if (Number(headers["content-length"] ?? 0) === 0 || MediaType.isGeneric(headers["content-type"] ?? "")) return false
  return Operation.isDigest(reference) || Digest.is(headers["docker-content-digest"] ?? "")
}
