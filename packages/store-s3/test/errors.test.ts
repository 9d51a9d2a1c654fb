import * as Body from "@effect-oci/core/Body"
import { S3BlobStore, S3Credentials } from "@effect-oci/store-s3"
import type { S3Error } from "@effect-oci/store-s3/S3Error"
import { BlobKey } from "@effect-oci/store/BlobStore"
import * as StoreError from "@effect-oci/store/StoreError"
import * as S3 from "@effect-oci/testing/S3"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { v7 } from "uuid"
import { openStore, smallOptions } from "./services.js"

const key = BlobKey(v7())

const put = { key, body: Body.bytes(new Uint8Array(10)) }

const { failures } = S3

const messages: ReadonlyArray<readonly [failure: S3.Failure, todo: string]> = [
  [failures.accessDenied, "AccessDenied (Access Denied); allow s3:PutObject to these credentials"],
  [failures.noSuchBucket, "create the bucket, or correct the options bucket, endpoint and forcePathStyle"],
  [failures.requestTimeTooSkewed, "the clock of this machine differs from that of the service"],
  [failures.signatureDoesNotMatch, "correct the secret access key and the option region"],
  [failures.invalidAccessKeyId, "correct the access key id"],
  [failures.expiredToken, "renew the session token of the credentials"],
  [failures.slowDown, "503 SlowDown (Please reduce your request rate.); try again later"]
]

describe("the error of a call of S3", () => {
  for (const [failure, todo] of messages) {
    it.live(`explains ${failure.code}`, () =>
      Effect.gen(function*() {
        const s3 = S3.make({ faults: [{ times: 100, fault: { _tag: "Fail", outcome: failure } }] })
        const store = yield* openStore(s3)
        const error = yield* Effect.flip(store.put(put))
        assert.instanceOf(error, StoreError.Failed)
        const { message } = error.cause as S3Error
        assert.include(message, `PutObject of s3://bucket/registry/blobs/${key} at s3.example.com failed`)
        assert.include(message, todo)
      }))
  }

  it.live("is DigestWrong if the service received other bytes", () =>
    Effect.gen(function*() {
      const outcome = failures.contentSha256Mismatch
      const store = yield* openStore(S3.make({ faults: [{ times: 100, fault: { _tag: "Fail", outcome } }] }))
      assert.deepEqual(yield* Effect.flip(store.put(put)), new StoreError.DigestWrong())
    }))

  it.live("is Full if the quota is reached", () =>
    Effect.gen(function*() {
      const outcome = { status: 403, code: "QuotaExceeded" }
      const store = yield* openStore(S3.make({ faults: [{ times: 100, fault: { _tag: "Fail", outcome } }] }))
      assert.deepEqual(yield* Effect.flip(store.put(put)), new StoreError.Full())
      assert.deepEqual(yield* Effect.flip(store.openUpload({ id: "upload", key })), new StoreError.Full())
    }))

  it.effect("contains no credentials and no signature, even if the service repeats them", () =>
    Effect.gen(function*() {
      const echo = HttpClient.make((request) => {
        const repeated = Object.values(request.headers).join(" ")
        const answer = `<Error><Code>AccessDenied</Code><Message>${repeated}</Message></Error>`
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(answer, { status: 403 })))
      })
      const credentials = S3Credentials.layerStatic({
        accessKeyId: "id",
        secretAccessKey: Redacted.make("the-secret-key"),
        sessionToken: Redacted.make("the-session-token")
      })
      const store = yield* S3BlobStore.make(smallOptions).pipe(
        Effect.provide([credentials, Layer.succeed(HttpClient.HttpClient, echo)])
      )
      const error = yield* Effect.flip(store.put(put))
      const text = Cause.pretty(Cause.fail((error as StoreError.Failed).cause)) + JSON.stringify(error)
      assert.notMatch(text, /the-secret-key|the-session-token|Signature=[0-9a-f]/)
    }))

  it.effect("names the variable of the configuration that is missing", () =>
    Effect.gen(function*() {
      const { endpoint, region } = smallOptions
      const layer = S3BlobStore.layerConfig({
        endpoint: Config.succeed(endpoint),
        region: Config.succeed(region),
        bucket: Config.string("BUCKET")
      }).pipe(Layer.provide([S3Credentials.layerConfig, S3.layer(S3.make())]))
      const build = (variables: Record<string, string>) =>
        Layer.build(layer).pipe(
          Effect.scoped,
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
        )
      yield* build({ BUCKET: "bucket" })
      assert.include(JSON.stringify(yield* Effect.flip(build({}))), "BUCKET")
    }))

  it.effect("names the option that is not valid", () =>
    Effect.gen(function*() {
      for (
        const wrong of [{ endpoint: "s3.example.com" }, { bucket: "a/b" }, { prefix: "no-slash" }, { prefix: "../" }]
      ) {
        const error = yield* Effect.flip(openStore(S3.make(), wrong))
        assert.include(error.message, `the option ${Object.keys(wrong)[0]}`)
      }
    }))
})

describe("credentials that the service calls expired", () => {
  /** A store whose credentials have the session tokens `1`, `2`, and so on. The service accepts those from `from` on. */
  const open = (from: number) =>
    Effect.gen(function*() {
      let obtained = 0
      const service = yield* S3Credentials.make(Effect.sync(() => ({
        accessKeyId: S3.credentials.accessKeyId,
        secretAccessKey: Redacted.make(S3.credentials.secretAccessKey),
        sessionToken: Redacted.make(String(++obtained)),
        expiration: DateTime.unsafeMake(8e15)
      })))
      const tokens: Array<string> = []
      const client = HttpClient.make((request) => {
        const token = request.headers["x-amz-security-token"] ?? ""
        tokens.push(token)
        if (Number(token) >= from) return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("")))
        const body = request.method === "HEAD" ? null : "<Error><Code>ExpiredToken</Code></Error>"
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(body, { status: 400 })))
      })
      const store = yield* S3BlobStore.make({ ...smallOptions, retry: Schedule.stop }).pipe(
        Effect.provide([
          Layer.succeed(S3Credentials.S3Credentials, service),
          Layer.succeed(HttpClient.HttpClient, client)
        ])
      )
      return { store, tokens }
    })

  it.effect("are renewed, and the call is sent again", () =>
    Effect.gen(function*() {
      const { store, tokens } = yield* open(2)
      yield* store.put(put)
      yield* store.put(put)
      assert.deepEqual(tokens, ["1", "2", "2"])
    }))

  it.effect("fail the call if the service refuses the new ones too", () =>
    Effect.gen(function*() {
      const { store, tokens } = yield* open(3)
      const error = yield* Effect.flip(store.put(put))
      assert.include(((error as StoreError.Failed).cause as S3Error).message, "renew the session token")
      assert.deepEqual(tokens, ["1", "2"])
    }))
})

describe("a redirect", () => {
  const open = (expiration?: DateTime.Utc) =>
    S3BlobStore.make({ ...smallOptions, redirect: true, redirectEndpoint: "https://public.example.com" }).pipe(
      Effect.provide([
        S3Credentials.layerStatic({ accessKeyId: "id", secretAccessKey: Redacted.make("secret"), expiration }),
        S3.layer(S3.make())
      ])
    )

  it.effect("leads to a URL with a signature that is valid for the time", () =>
    Effect.gen(function*() {
      const { redirectUrl } = yield* open()
      const url = (yield* redirectUrl!(key, Duration.minutes(5)))!
      assert.strictEqual(`${url.origin}${url.pathname}`, `https://public.example.com/bucket/registry/blobs/${key}`)
      assert.strictEqual(url.searchParams.get("X-Amz-Expires"), "300")
      assert.isTrue(url.searchParams.has("X-Amz-Signature"))
    }))

  it.effect("is not made if the credentials expire before", () =>
    Effect.gen(function*() {
      const { redirectUrl } = yield* open(DateTime.unsafeMake(60_000))
      assert.isUndefined(yield* redirectUrl!(key, Duration.minutes(5)))
    }))

  it.effect("is off by default", () =>
    Effect.gen(function*() {
      const store = yield* openStore(S3.make())
      assert.isUndefined(store.redirectUrl)
    }))
})
