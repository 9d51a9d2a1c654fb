/** Registries that run in the runtime itself: wrappers, the server, and the store in S3. */
import * as Credential from "@effect-oci/auth/Credential"
import * as Credentials from "@effect-oci/auth/Credentials"
import * as Client from "@effect-oci/client/Client"
import * as BlobStoreSuite from "@effect-oci/conformance/BlobStoreSuite"
import * as Conformance from "@effect-oci/conformance/Conformance"
import { Registry } from "@effect-oci/core/Registry"
import * as Laws from "@effect-oci/laws/Laws"
import * as Wrappers from "@effect-oci/laws/Wrappers"
import * as RegistryServer from "@effect-oci/server/RegistryServer"
import * as S3BlobStore from "@effect-oci/store-s3/S3BlobStore"
import * as S3Credentials from "@effect-oci/store-s3/S3Credentials"
import * as Memory from "@effect-oci/store/Memory"
import * as Store from "@effect-oci/store/Store"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpApp from "@effect/platform/HttpApp"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import { assert, type Check, type FetchHandler, type Settings, Unavailable } from "./Check.js"
import * as content from "./content.js"
import * as users from "./guarded.js"

/** The subjects that the laws generate, each once. */
const subjects = () => {
  const found = new Map<string, Laws.Subject>()
  for (const wrapper of Wrappers.all) {
    for (const subject of fc.sample(wrapper, { numRuns: 100, seed: 1 })) found.set(subject.code, subject)
  }
  return [...found.values()]
}

const wrappers: Check = {
  name: "`middleware`, `recording`: every wrapper behaves as its model",
  run: () =>
    Effect.forEach(subjects(), (subject) => Laws.lawful(fc.constant([subject]), { runs: 3, maxLength: 15 }), {
      discard: true
    })
}

const stacks: Check = {
  name: "`middleware`, `recording`: stacks of wrappers behave as their models",
  run: () => Laws.lawful(Laws.stacks(Wrappers.all), { runs: 20 })
}

/** Serves a registry as a function from requests to responses. */
const handlerOf = (options: RegistryServer.Options = {}) =>
  Effect.map(
    Effect.runtime<Registry>(),
    (runtime): FetchHandler => HttpApp.toWebHandlerRuntime(runtime)(RegistryServer.app(options))
  )

/** Sends requests to a handler in place of the network, which adds the length of a body that is known. */
const asFetch = (handler: FetchHandler): typeof fetch => (input, init) => {
  const request = new Request(input, init)
  if (init?.body instanceof Uint8Array) request.headers.set("content-length", String(init.body.byteLength))
  return handler(request)
}

const memory = Memory.layer({ anonymousMount: true })

/** The checks that push a blob in one POST. The server needs its length, and browsers do not let a `Request` have it. */
const needLength = ["upload-single-post-sha256", "upload-single-post-sha512", "upload-single-post-blake3"]

const canHaveLength = () =>
  new Request("http://registry.test", { headers: { "content-length": "1" } }).headers.has(
    "content-length"
  )

/** Fails with the failures of a conformance report. */
const refuse = (failures: ReadonlyArray<string>) => assert(failures.length === 0, failures.join("; "))

/** Runs the suite with a handler in place of `fetch`. */
const conformance = (handler: FetchHandler) =>
  Conformance.run({
    skip: canHaveLength()
      ? {}
      : Object.fromEntries(needLength.map((id) => [id, "a request in a browser has no length"]))
  }).pipe(
    Effect.map(({ results }) =>
      refuse(
        results.flatMap(({ check, outcome }) => outcome._tag === "Failed" ? [`${check.id}: ${outcome.reason}`] : [])
      )
    ),
    Effect.provide(Conformance.layerUrl("http://registry.test")),
    Effect.provideService(FetchHttpClient.Fetch, asFetch(handler))
  )

const fetchHandler: Check = {
  name: "`server`: a fetch handler passes the conformance suite",
  run: () => Effect.provide(Effect.flatMap(handlerOf(), conformance), memory)
}

const guarded: Check = {
  name: "`guard`: a fetch handler issues tokens, and requires them",
  quick: true,
  run: () =>
    Effect.gen(function*() {
      const handler = yield* handlerOf(yield* users.options("http://registry.test/token"))
      const credentials = Credential.basic(users.user, Redacted.make(users.password))
      const client = Client.layer({ host: "registry.test", insecure: true })
      yield* Effect.flatMap(Registry, (registry) => content.roundTrip(registry, content.newRepository(), "guarded"))
        .pipe(
          Effect.provide(client),
          Effect.provide(Credentials.layerStatic({ "registry.test": credentials })),
          Effect.provideService(FetchHttpClient.Fetch, asFetch(handler))
        )
    }).pipe(Effect.provide(memory))
}

const served: Check = {
  name: "`server`: the runtime's own HTTP server passes the conformance suite",
  run: ({ conformance, platform: { serve } }) => {
    if (serve === undefined) return new Unavailable({ reason: "the runtime has no server for fetch handlers" })
    return handlerOf().pipe(
      Effect.flatMap(serve),
      Effect.flatMap(conformance),
      Effect.map(refuse),
      Effect.provide(memory)
    )
  }
}

const s3 = ({ accessKeyId, s3, secretAccessKey }: Settings, prefix: string) =>
  S3BlobStore.layer({ endpoint: s3, bucket: "bucket", region: "us-east-1", forcePathStyle: true, prefix }).pipe(
    Layer.provide(S3Credentials.layerStatic({ accessKeyId, secretAccessKey: Redacted.make(secretAccessKey) })),
    Layer.provide(FetchHttpClient.layer)
  )

const blobStore: Check = {
  name: "`store-s3`: passes the suite of blob stores",
  run: ({ settings }) =>
    Effect.forEach(
      BlobStoreSuite.all,
      ({ name, run }, number) =>
        run({ make: Effect.succeed(s3(settings, `suite-${number}/`)), durable: true }).pipe(
          Effect.mapError(({ message }) => new Error(`${name}: ${message}`))
        ),
      { discard: true }
    )
}

const overS3: Check = {
  name: "`store-s3`: a registry with blobs in S3 passes the conformance suite",
  run: ({ settings }) =>
    Effect.provide(
      Effect.flatMap(handlerOf(), conformance),
      Store.layer({ anonymousMount: true }).pipe(
        Layer.provide(s3(settings, "registry/")),
        Layer.provide(Memory.layerMetadataStore())
      )
    )
}

export const checks = [stacks, wrappers, fetchHandler, served, guarded, blobStore, overS3]
