import { MetadataStoreSuite } from "@effect-oci/conformance"
import { SqlMetadataStore } from "@effect-oci/store-sql"
import * as D1 from "@effect-oci/store-sql/D1"
import { Effect, Layer, Scheduler } from "effect"

/** A worker that runs the check of the metadata store whose number is the path, over a database of its own. */
export default {
  fetch: (request: Request, bindings: { readonly [name: string]: D1.Database }): Promise<Response> => {
    const number = Number(new URL(request.url).pathname.slice(1))
    const store = SqlMetadataStore.layer().pipe(
      Layer.provide(D1.layer({ database: bindings[`DB${number}`]! })),
      Layer.orDie
    )
    return MetadataStoreSuite.all[number]!.run({
      make: Effect.succeed(store),
      durable: true,
      time: { unit: "400 millis", pass: Effect.sleep }
    }).pipe(
      Effect.match({
        onSuccess: () => new Response(),
        onFailure: ({ message }) => new Response(message, { status: 500 })
      }),
      // A fiber that another request resumes would do the I/O of that request.
      Effect.withScheduler(new Scheduler.MixedScheduler(2048)),
      Effect.runPromise
    )
  }
}
