/** Serves the small S3 for tests, in memory, until it is stopped. Writes its address and credentials as JSON. */
import * as NodeS3 from "@effect-oci/testing/NodeS3"
import * as S3 from "@effect-oci/testing/S3"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

const [, , bucket = "registry"] = process.argv

const main = Effect.gen(function*() {
  const { origin } = yield* NodeS3.serve(S3.make({ buckets: [bucket] }))
  yield* Console.log(JSON.stringify({ endpoint: origin, ...S3.credentials }))
  return yield* Effect.never
})

NodeRuntime.runMain(Effect.scoped(main))
