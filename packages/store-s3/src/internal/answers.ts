import * as Body from "@effect-oci/core/Body"
import * as RegistryError from "@effect-oci/core/RegistryError"
import type * as Source from "@effect-oci/core/Source"
import * as HttpFailure from "@effect-oci/transport/HttpFailure"
import * as ResponseBody from "@effect-oci/transport/ResponseBody"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** The body of an answer ended early, or is too long. */
export class AnswerBroken extends Data.TaggedError("AnswerBroken")<{ readonly reason: string }> {}

/** Converts the errors of the body of an answer. */
export const nativeBody = (content: ResponseBody.ResponseBody): Source.Source => (sink) =>
  content.open({
    ...sink,
    fail: (cause) => sink.fail(new RegistryError.BodyFailed({ reason: HttpFailure.phrase(cause), cause: undefined }))
  })

/** Reads the body of an answer as text, at most `limit` bytes. */
export const readText = (response: HttpClientResponse, limit: number): Effect.Effect<string, AnswerBroken> => {
  const content = ResponseBody.fromResponse(response)
  const body = Body.fromSource(nativeBody(content))
  const onLimit = () => new AnswerBroken({ reason: `the answer has more than ${limit} bytes` })
  return Body.toBytes(body, { limit, onLimit }).pipe(
    Effect.mapBoth({
      onFailure: (error) =>
        error._tag === "AnswerBroken"
          ? error
          : new AnswerBroken({ reason: `the answer ended early: ${error.message}` }),
      onSuccess: (bytes) => new TextDecoder().decode(bytes)
    })
  )
}
