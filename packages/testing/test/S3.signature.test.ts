/**
 * The examples of signatures in [Amazon's documentation](https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html),
 * and what S3 refuses.
 */
import * as S3 from "@effect-oci/testing/S3"
import { it } from "@effect/vitest"
import { AwsClient } from "aws4fetch"
import { Effect, TestClock } from "effect"
import { describe, expect } from "vitest"
import { send, target } from "./suites/s3Client.js"

const documented = {
  buckets: ["examplebucket"],
  credentials: [{
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
  }]
}
const origin = "https://examplebucket.s3.amazonaws.com"
const scope = "20130524/us-east-1/s3/aws4_request"
const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const signed = (signature: string, headers: { readonly [name: string]: string }, hash = empty) => {
  const all = { ...headers, "x-amz-content-sha256": hash, "x-amz-date": "20130524T000000Z" }
  const names = ["host", ...Object.keys(all)].sort().join(";")
  const credential = `AKIAIOSFODNN7EXAMPLE/${scope}`
  return {
    ...all,
    authorization: `AWS4-HMAC-SHA256 Credential=${credential},SignedHeaders=${names},Signature=${signature}`
  }
}

/** The requests of the documentation. S3 answers each with this error, or with none, after it has verified the signature. */
const examples: { readonly [title: string]: readonly [request: Request, code: string | undefined] } = {
  "GET of an object": [
    new Request(`${origin}/test.txt`, {
      headers: signed("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", { range: "bytes=0-9" })
    }),
    "NoSuchKey"
  ],
  "PUT of an object": [
    new Request(`${origin}/test$file.text`, {
      method: "PUT",
      headers: signed(
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
      ),
      body: "Welcome to Amazon S3."
    }),
    undefined
  ],
  "GET of a bucket's lifecycle": [
    new Request(`${origin}/?lifecycle`, {
      headers: signed("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", {})
    }),
    "NotImplemented"
  ],
  "GET of a list": [
    new Request(`${origin}/?max-keys=2&prefix=J`, {
      headers: signed("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", {})
    }),
    "NotImplemented"
  ],
  "presigned URL": [
    new Request(
      `${origin}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F${
        encodeURIComponent(scope)
      }&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404`
    ),
    "NoSuchKey"
  ]
}

const day = Date.UTC(2013, 4, 24)

describe("the examples of the documentation", () => {
  for (const [title, [request, code]] of Object.entries(examples)) {
    it.effect(title, () => {
      const s3 = S3.make(documented)
      return Effect.gen(function*() {
        yield* TestClock.setTime(day)
        yield* s3.handle(request.clone())
        expect(s3.calls[0]?.code).toBe(code)
        expect(s3.calls[0]?.bucket).toBe("examplebucket")
        const wrong = new Request(request.clone(), { method: request.method === "GET" ? "DELETE" : "POST" })
        yield* s3.handle(wrong)
        expect(s3.calls[1]?.code).toBe("SignatureDoesNotMatch")
      })
    })
  }
})

describe("credentials", () => {
  const as = (credentials: Partial<S3.Credentials>) =>
    send({ ...target, credentials: { ...S3.credentials, ...credentials } }, "GET", { key: "a" }).pipe(
      Effect.map(({ code }) => code)
    )

  it.effect("requires the token of temporary credentials", () => {
    const temporary = { ...S3.credentials, sessionToken: "token" }
    return Effect.gen(function*() {
      expect(yield* as(temporary)).toBe("NoSuchKey")
      expect(yield* as({ sessionToken: "other" })).toBe("InvalidToken")
      expect(yield* as({})).toBe("InvalidAccessKeyId")
    }).pipe(Effect.provide(S3.layer(S3.make({ credentials: [temporary] }))))
  })

  it.effect("refuses temporary credentials that expired, by the clock", () =>
    Effect.gen(function*() {
      expect(yield* as({})).toBe("NoSuchKey")
      yield* TestClock.adjust("1 minute")
      expect(yield* as({})).toBe("ExpiredToken")
    }).pipe(Effect.provide(S3.layer(S3.make({ credentials: [{ ...S3.credentials, expiresAt: 60_000 }] })))))

  it.effect("refuses another region, and requests without a signature", () => {
    const s3 = S3.make({ region: "eu-central-1" })
    return Effect.gen(function*() {
      expect(yield* as({})).toBe("AuthorizationHeaderMalformed")
      yield* s3.handle(new Request("http://s3.test/bucket/a"))
      expect(s3.calls[1]?.code).toBe("AccessDenied")
    }).pipe(Effect.provide(S3.layer(s3)))
  })

  it.effect("refuses a header of Amazon's that is not signed", () =>
    Effect.gen(function*() {
      const s3 = S3.make()
      const aws = new AwsClient({ ...S3.credentials, service: "s3", region: "us-east-1" })
      const datetime = "19700101T000000Z"
      const request = yield* Effect.promise(() => aws.sign("http://s3.test/bucket/a", { aws: { datetime } }))
      request.headers.set("x-amz-acl", "public-read")
      yield* s3.handle(request)
      expect(s3.calls[0]?.code).toBe("AccessDenied")
    }))
})

it.live("answers aws4fetch by fetch, at the host of the bucket", () =>
  Effect.promise(async () => {
    const fetch = S3.fetch(S3.make())
    const aws = new AwsClient({ ...S3.credentials, service: "s3", region: "us-east-1" })
    const url = "https://bucket.s3.us-east-1.amazonaws.com/a/b"
    const put = await fetch(await aws.sign(url, { method: "PUT", body: "hello" }))
    const got = await fetch(await aws.sign(url))
    expect([put.status, got.status, await got.text()]).toEqual([200, 200, "hello"])
  }))
