import { S3Credentials } from "@effect-oci/store-s3"
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"

const minutes = 60_000

/** A source of credentials that live an hour. It counts, and can be made to fail. */
const makeSource = () => {
  const source = { obtained: 0, fails: false }
  const obtain = Effect.clockWith((clock) =>
    Effect.flatMap(Effect.zipRight(Effect.sleep(10), clock.currentTimeMillis), (now) => {
      source.obtained++
      if (source.fails) return Effect.fail(new S3Credentials.CredentialsFailed({ message: "the source is down" }))
      return Effect.succeed({
        accessKeyId: `key-${source.obtained}`,
        secretAccessKey: Redacted.make("secret"),
        expiration: DateTime.unsafeMake(now + 60 * minutes)
      })
    })
  )
  return { source, obtain }
}

/** Gets credentials at a test clock. */
const at = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(10)
    return yield* fiber
  })

describe("credentials that expire", () => {
  it.effect("are obtained once for all callers at the same time", () =>
    Effect.gen(function*() {
      const { obtain, source } = makeSource()
      const { get } = yield* S3Credentials.make(obtain)
      const all = yield* at(Effect.all(Array.from({ length: 20 }, () => get), { concurrency: "unbounded" }))
      assert.deepEqual(new Set(all.map(({ accessKeyId }) => accessKeyId)), new Set(["key-1"]))
      assert.strictEqual(source.obtained, 1)
    }))

  it.effect("are renewed five minutes before they expire", () =>
    Effect.gen(function*() {
      const { get } = yield* S3Credentials.make(makeSource().obtain)
      yield* at(get)
      yield* TestClock.adjust(54 * minutes)
      assert.strictEqual((yield* at(get)).accessKeyId, "key-1")
      yield* TestClock.adjust(1 * minutes)
      assert.strictEqual((yield* at(get)).accessKeyId, "key-2")
    }))

  it.effect("are renewed at once if the service says that they have expired", () =>
    Effect.gen(function*() {
      const { obtain, source } = makeSource()
      const { expired, get } = yield* S3Credentials.make(obtain)
      const first = yield* at(get)
      const report = Effect.zipRight(expired!(first), get)
      const all = yield* at(Effect.all(Array.from({ length: 20 }, () => report), { concurrency: "unbounded" }))
      assert.deepEqual(new Set(all.map(({ accessKeyId }) => accessKeyId)), new Set(["key-2"]))
      yield* expired!(first)
      assert.strictEqual((yield* get).accessKeyId, "key-2")
      source.fails = true
      yield* expired!(yield* get)
      assert.strictEqual((yield* Effect.flip(at(get))).message, "the source is down")
    }))

  it.effect("are used until they expire if they cannot be renewed", () =>
    Effect.gen(function*() {
      const { obtain, source } = makeSource()
      const { get } = yield* S3Credentials.make(obtain)
      yield* at(get)
      source.fails = true
      yield* TestClock.adjust(56 * minutes)
      assert.strictEqual((yield* at(get)).accessKeyId, "key-1")
      // The next callers do not wait for the source that is down.
      assert.strictEqual((yield* get).accessKeyId, "key-1")
      assert.strictEqual(source.obtained, 2)
      yield* TestClock.adjust(5 * minutes)
      assert.strictEqual((yield* Effect.flip(at(get))).message, "the source is down")
      source.fails = false
      assert.strictEqual((yield* at(get)).accessKeyId, "key-4")
    }).pipe(Effect.provide(Logger.remove(Logger.defaultLogger))))
})

const environment = (entries: ReadonlyArray<readonly [string, string]>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(entries)))

const get = Effect.flatMap(S3Credentials.S3Credentials, (service) => service.get)

describe("credentials of the environment", () => {
  it.effect("are read from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN", () =>
    Effect.gen(function*() {
      const found = yield* get.pipe(
        Effect.provide(S3Credentials.layerConfig),
        environment([["AWS_ACCESS_KEY_ID", "id"], ["AWS_SECRET_ACCESS_KEY", "key"], ["AWS_SESSION_TOKEN", "token"]])
      )
      assert.strictEqual(found.accessKeyId, "id")
      assert.strictEqual(Redacted.value(found.secretAccessKey), "key")
      assert.strictEqual(found.sessionToken && Redacted.value(found.sessionToken), "token")
    }))

  it.effect("fail with the names of the variables", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(get.pipe(Effect.provide(S3Credentials.layerConfig), environment([])))
      assert.include(error.message, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    }))
})

interface Route {
  readonly method: string
  readonly url: string
  readonly header?: readonly [name: string, value: string]
  readonly body?: string
  readonly answer: string
}

/** A client that answers only these requests. */
const clientOf = (routes: ReadonlyArray<Route>) => {
  const requests: Array<HttpClientRequest> = []
  const client = HttpClient.make((request, url) => {
    requests.push(request)
    const text = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
    const route = routes.find(({ body = "", header, method, url: path }) =>
      method === request.method && path === url.href && text.includes(body) &&
      (header === undefined || request.headers[header[0]] === header[1])
    )
    return Effect.succeed(HttpClientResponse.fromWeb(
      request,
      route === undefined ? new Response("no", { status: 403 }) : new Response(route.answer)
    ))
  })
  return { layer: Layer.succeed(HttpClient.HttpClient, client), requests }
}

const expiration = "2030-01-01T00:00:00Z"

const json = JSON.stringify({ AccessKeyId: "id", SecretAccessKey: "key", Token: "token", Expiration: expiration })

const check = (found: S3Credentials.Credentials) => {
  assert.strictEqual(found.accessKeyId, "id")
  assert.strictEqual(Redacted.value(found.secretAccessKey), "key")
  assert.strictEqual(found.sessionToken && Redacted.value(found.sessionToken), "token")
  assert.strictEqual(found.expiration && DateTime.toEpochMillis(found.expiration), Date.parse(expiration))
}

describe("credentials for a web identity", () => {
  const layer = S3Credentials.layerWebIdentity({
    roleArn: "arn:aws:iam::1:role/registry",
    token: Effect.succeed(Redacted.make("identity-token")),
    endpoint: "https://sts.example.com/"
  })

  it.effect("are obtained from the token service", () => {
    const { layer: client } = clientOf([{
      method: "POST",
      url: "https://sts.example.com/",
      body: "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fregistry" +
        "&RoleSessionName=effect-oci&WebIdentityToken=identity-token",
      answer: `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
        <AccessKeyId>id</AccessKeyId><SecretAccessKey>key</SecretAccessKey><SessionToken>token</SessionToken>
        <Expiration>${expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
        </AssumeRoleWithWebIdentityResponse>`
    }])
    return Effect.map(get, check).pipe(Effect.provide(Layer.provide(layer, client)))
  })

  it.effect("fail with a message that does not contain the token", () =>
    Effect.gen(function*() {
      const { layer: client } = clientOf([])
      const error = yield* Effect.flip(get.pipe(Effect.provide(Layer.provide(layer, client))))
      assert.include(error.message, "sts.example.com")
      assert.include(error.message, "answered 403")
      assert.notInclude(error.message, "identity-token")
    }))
})

describe("credentials of a machine", () => {
  it.effect("are obtained from the metadata service of the instance, with a session token", () => {
    const base = "http://169.254.169.254/latest"
    const session = ["x-aws-ec2-metadata-token", "session"] as const
    const roles = `${base}/meta-data/iam/security-credentials/`
    const { layer: client } = clientOf([
      {
        method: "PUT",
        url: `${base}/api/token`,
        header: ["x-aws-ec2-metadata-token-ttl-seconds", "21600"],
        answer: "session"
      },
      { method: "GET", url: roles, header: session, answer: "registry\n" },
      { method: "GET", url: `${roles}registry`, header: session, answer: json }
    ])
    const layer = S3Credentials.layerInstanceMetadata()
    return Effect.map(get, check).pipe(Effect.provide(Layer.provide(layer, client)))
  })

  it.effect("are obtained from the service for containers, with its token", () => {
    const url = "http://169.254.170.23/v1/credentials"
    const { layer: client } = clientOf([
      { method: "GET", url, header: ["authorization", "container-token"], answer: json }
    ])
    const layer = S3Credentials.layerInstanceMetadata({
      containerUrl: url,
      containerToken: Effect.succeed(Redacted.make("container-token\n"))
    })
    return Effect.map(get, check).pipe(Effect.provide(Layer.provide(layer, client)))
  })
})
